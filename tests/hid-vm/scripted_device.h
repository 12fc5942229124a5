/*
 * scripted_device.h: a child process that is a HID device (uhid-device) or drives one (qmp), and talks in lines.
 *
 * Calls block until the child has answered; the test's watchdog ends a test whose child stays silent.
 */
#ifndef SCRIPTED_DEVICE_H
#define SCRIPTED_DEVICE_H

#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct scripted_device {
    pid_t pid;
    FILE *commands;
    FILE *events;
    char node[64];                /* /dev/hidrawN */
};

static inline void scripted_die(const char *what)
{
    printf("FAILED  the test itself: %s\n", what);
    exit(1);
}

/* Starts a program with its stdin and stdout connected to us. */
static inline void scripted_spawn(struct scripted_device *device, char *const arguments[])
{
    posix_spawn_file_actions_t actions;
    int to_child[2];
    int from_child[2];
    if (pipe2(to_child, O_CLOEXEC) || pipe2(from_child, O_CLOEXEC))
        scripted_die("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to_child[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from_child[1], STDOUT_FILENO);
    if (posix_spawnp(&device->pid, arguments[0], &actions, NULL, arguments, environ))
        scripted_die(arguments[0]);
    posix_spawn_file_actions_destroy(&actions);
    close(to_child[0]);
    close(from_child[1]);
    device->commands = fdopen(to_child[1], "w");
    device->events = fdopen(from_child[0], "r");
    device->node[0] = '\0';
}

/* Reads lines until one begins with the event's name, and leaves it in line. */
static inline void device_wait_line(struct scripted_device *device, const char *event, char *line, size_t size)
{
    do {
        if (!fgets(line, (int)size, device->events))
            scripted_die("a device ended unexpectedly");
        if (!strncmp(line, "ERROR", 5))
            scripted_die(line);
    } while (strncmp(line, event, strlen(event)));
    line[strcspn(line, "\n")] = '\0';
}

static inline void device_wait(struct scripted_device *device, const char *event)
{
    char line[512];
    device_wait_line(device, event, line, sizeof line);
}

/* Starts a uhid-device with the given options and waits for its node. */
static inline void device_start(struct scripted_device *device, char *const options[])
{
    char *arguments[16] = { "uhid-device", "--exit-on-eof" };
    char line[512];
    for (int i = 0; options[i]; i++)
        arguments[2 + i] = options[i];
    scripted_spawn(device, arguments);
    device_wait_line(device, "NODE", line, sizeof line);
    if (sscanf(line, "NODE %63s", device->node) != 1)
        scripted_die(line);
}

static inline void device_say(struct scripted_device *device, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(device->commands, format, arguments);
    va_end(arguments);
    fputc('\n', device->commands);
    fflush(device->commands);
}

/* How many input reports the device has sent. */
static inline unsigned long device_sent(struct scripted_device *device)
{
    char line[512];
    unsigned long sent = 0;
    device_say(device, "stats");
    device_wait_line(device, "STATS", line, sizeof line);
    sscanf(line, "STATS sent=%lu", &sent);
    return sent;
}

/* Returns the child's exit status. */
static inline int device_end(struct scripted_device *device)
{
    char line[512];
    int status = 0;
    fclose(device->commands);
    while (fgets(line, sizeof line, device->events)) {
    }
    fclose(device->events);
    waitpid(device->pid, &status, 0);
    return status;
}

#endif
