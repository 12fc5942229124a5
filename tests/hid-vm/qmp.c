/*
 * qmp: drives QEMU, and with it QEMU's own USB devices, from inside the guest (run-in-vm.sh --qmp).
 *
 *   qmp run JSON…                   send each command, print each answer
 *   qmp move DX DY COUNT RATE       COUNT relative moves of the mouse by (DX, DY) at RATE per second
 *   qmp curve SECONDS RATE          moves of the mouse along a closed curve, with clicks and turns of the wheel
 *
 * move and curve end with one line: MOVED events=N dx=SUM dy=SUM clicks=N
 *
 * QEMU joins moves that the guest has not fetched yet, so a reader may see fewer reports than events; their sums agree.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char PORT[] = "/dev/virtio-ports/qmp";
static const double TURN = 6.283185307179586;

static FILE *to_qemu;
static FILE *from_qemu;

static struct {
    unsigned events;
    unsigned clicks;
    long dx;
    long dy;
} moved;

/* ---- the channel */

static bool is_answer(const char *line)
{
    return !strncmp(line, "{\"return\"", 9) || !strncmp(line, "{\"error\"", 8);
}

/* Skips the greeting and QEMU's events, which come in between. */
static void read_answer(char *line, size_t size)
{
    do {
        if (!fgets(line, (int)size, from_qemu)) {
            fprintf(stderr, "qmp: QEMU closed the channel\n");
            exit(1);
        }
    } while (!is_answer(line));
}

static void ask(const char *command, char *answer, size_t size)
{
    fprintf(to_qemu, "%s\n", command);
    fflush(to_qemu);
    read_answer(answer, size);
}

static void command(const char *json)
{
    char answer[4096];
    ask(json, answer, sizeof answer);
    if (!strncmp(answer, "{\"error\"", 8)) {
        fprintf(stderr, "qmp: %s -> %s", json, answer);
        exit(1);
    }
}

static void open_channel(void)
{
    char answer[4096];
    to_qemu = fopen(PORT, "r+e");
    if (!to_qemu) {
        perror(PORT);
        exit(1);
    }
    from_qemu = fdopen(fcntl(fileno(to_qemu), F_DUPFD_CLOEXEC, 0), "r");
    setvbuf(to_qemu, NULL, _IOFBF, 4096);
    /* The negotiation is refused when an earlier run on the same channel did it; that is fine. */
    ask("{\"execute\":\"qmp_capabilities\"}", answer, sizeof answer);
}

/* ---- the mouse */

static void move_by(int dx, int dy)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":["
             "{\"type\":\"rel\",\"data\":{\"axis\":\"x\",\"value\":%d}},"
             "{\"type\":\"rel\",\"data\":{\"axis\":\"y\",\"value\":%d}}]}}",
             dx, dy);
    command(json);
    moved.events++;
    moved.dx += dx;
    moved.dy += dy;
}

static void press(const char *button, bool down)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":["
             "{\"type\":\"btn\",\"data\":{\"button\":\"%s\",\"down\":%s}}]}}",
             button, down ? "true" : "false");
    command(json);
    moved.events++;
    moved.clicks += down;
}

/* ---- pace: the rate is a ceiling, as a late sender does not hurry */

static struct timespec next_event;

static void start_pace(void)
{
    clock_gettime(CLOCK_MONOTONIC, &next_event);
}

static void wait_for_turn(double rate)
{
    struct timespec now;
    next_event.tv_nsec += (long)(1e9 / rate);
    while (next_event.tv_nsec >= 1000000000L) {
        next_event.tv_nsec -= 1000000000L;
        next_event.tv_sec++;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next_event, NULL) == EINTR) {
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > next_event.tv_sec + 1)
        next_event = now;
}

/* ---- what the program is asked to do */

static void run_commands(char **commands)
{
    char answer[65536];
    for (; *commands; commands++) {
        ask(*commands, answer, sizeof answer);
        fputs(answer, stdout);
    }
}

static void move_straight(int dx, int dy, unsigned count, double rate)
{
    start_pace();
    for (unsigned i = 0; i < count; i++) {
        wait_for_turn(rate);
        move_by(dx, dy);
    }
}

/* Once a second: a click of changing buttons, or a turn of the wheel; released a tenth of a second later. */
static void press_now_and_then(unsigned step, double rate)
{
    static const char *const buttons[] = { "left", "right", "wheel-up", "left", "middle", "wheel-down" };
    const unsigned second = (unsigned)rate;
    const unsigned phase = step % second;
    const char *button = buttons[step / second % 6];
    if (phase == second / 2)
        press(button, true);
    if (phase == second / 2 + second / 10)
        press(button, false);
}

static void move_along_curve(double seconds, double rate)
{
    const unsigned steps = (unsigned)(seconds * rate);
    long at_x = 0;
    long at_y = 0;
    start_pace();
    for (unsigned i = 1; i <= steps; i++) {
        const double t = (double)i / steps;
        const long x = lround(400 * sin(3 * TURN * t));
        const long y = lround(300 * sin(4 * TURN * t));
        wait_for_turn(rate);
        move_by((int)(x - at_x), (int)(y - at_y));
        press_now_and_then(i, rate);
        at_x = x;
        at_y = y;
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: qmp run JSON... | qmp move DX DY COUNT RATE | qmp curve SECONDS RATE\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : "";
    const bool run = !strcmp(action, "run") && argc > 2;
    const bool move = !strcmp(action, "move") && argc == 6;
    const bool curve = !strcmp(action, "curve") && argc == 4;
    if (!run && !move && !curve)
        return usage();
    open_channel();
    if (run) {
        run_commands(argv + 2);
        return 0;
    }
    if (move)
        move_straight(atoi(argv[2]), atoi(argv[3]), (unsigned)atoi(argv[4]), atof(argv[5]));
    else
        move_along_curve(atof(argv[2]), atof(argv[3]));
    printf("MOVED events=%u dx=%ld dy=%ld clicks=%u\n", moved.events, moved.dx, moved.dy, moved.clicks);
    return 0;
}
