/*
 * packet_assembler - whole packets out of a stream of bytes that comes in odd pieces, with a DMF_PingPongBuffer.
 *
 * A serial line knows nothing of packets: a read gives half of one, or three and the beginning of the next, and now and
 * then noise. The pieces are appended to the buffer; whenever it begins with a whole packet, Consume takes that out and
 * keeps what follows for the next time:
 *
 *   Write     appends a piece
 *   Get       shows what is there
 *   Shift     throws away what cannot be a packet's beginning
 *   Consume   gives the packet, which stays as it is while the next pieces are written
 *
 * A packet of this example:  A5  length  payload ...  sum        (sum: of length and payload, modulo 256)
 */
#include <dmf.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    PACKET_BEGIN = 0xA5,
    PACKET_OVERHEAD = 3, /* begin, length, sum */
    PACKET_SIZE_MAX = 255 + PACKET_OVERHEAD,
    PIECE_SIZE_MAX = 32,
};

typedef struct
{
    DMFMODULE Buffer;
    unsigned Packets;
    unsigned Pieces;
    unsigned BytesSkipped;
} ASSEMBLER;

static bool failed(const char* what, NTSTATUS status)
{
    fprintf(stderr, "packet_assembler: cannot %s: %s (%s)\n", what, DMF_LastErrorMessageGet(), DMF_StatusName(status));
    return false;
}

static UCHAR sum_of(const UCHAR* bytes, size_t size)
{
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++)
    {
        sum += bytes[i];
    }
    return (UCHAR)sum;
}

/* ------------------------------------------------------------------------------------------ the assembler */

static bool assembler_open(ASSEMBLER* assembler)
{
    DMF_CONFIG_PingPongBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    NTSTATUS status;

    memset(assembler, 0, sizeof(*assembler));
    DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    /* Room for the longest packet of which all but a byte is there, and for the piece that brings the byte. */
    config.BufferSize = PACKET_SIZE_MAX - 1 + PIECE_SIZE_MAX;
    config.PoolType = NonPagedPoolNx;
    status = DMF_PingPongBuffer_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &assembler->Buffer);
    return NT_SUCCESS(status) || failed("create the buffer", status);
}

static void assembler_close(const ASSEMBLER* assembler)
{
    WdfObjectDelete(assembler->Buffer);
}

typedef enum
{
    LOOK_NEEDS_MORE, /* what is there may become a packet */
    LOOK_IS_NOISE,   /* the first `Size` bytes are not the beginning of one */
    LOOK_IS_PACKET,  /* the first `Size` bytes are one */
} LOOK;

/* What the bytes begin with. */
static LOOK look_at(const UCHAR* bytes, ULONG available, ULONG* size)
{
    const UCHAR* begin = (const UCHAR*)memchr(bytes, PACKET_BEGIN, available);

    *size = begin != NULL ? (ULONG)(begin - bytes) : available;
    if (*size > 0)
    {
        return LOOK_IS_NOISE;
    }
    if (available < 2)
    {
        return LOOK_NEEDS_MORE;
    }
    *size = bytes[1] + (ULONG)PACKET_OVERHEAD;
    if (available < *size)
    {
        return LOOK_NEEDS_MORE;
    }
    if (sum_of(bytes + 1, *size - 2) != bytes[*size - 1])
    {
        /* Not a packet after all: the next one may begin right behind this byte. */
        *size = 1;
        return LOOK_IS_NOISE;
    }
    return LOOK_IS_PACKET;
}

/* Whole packets leave here. */
static void packet_arrived(ASSEMBLER* assembler, const UCHAR* packet)
{
    assembler->Packets++;
    printf("packet %u, %u bytes: %.*s\n", assembler->Packets, packet[1], packet[1], (const char*)packet + 2);
}

/* Takes a piece of the stream, of at most PIECE_SIZE_MAX bytes. */
static bool piece_arrived(ASSEMBLER* assembler, UCHAR* piece, ULONG piece_size)
{
    ULONG available;
    NTSTATUS status = DMF_PingPongBuffer_Write(assembler->Buffer, piece, piece_size, &available);

    if (!NT_SUCCESS(status))
    {
        return failed("write a piece", status);
    }
    assembler->Pieces++;
    while (available > 0)
    {
        ULONG size = 0;
        const UCHAR* bytes = DMF_PingPongBuffer_Get(assembler->Buffer, &available);
        const UCHAR* packet;

        if (bytes == NULL)
        {
            return failed("look at the buffer", DMF_LastStatusGet());
        }
        switch (look_at(bytes, available, &size))
        {
        case LOOK_NEEDS_MORE:
            return true;
        case LOOK_IS_NOISE:
            DMF_PingPongBuffer_Shift(assembler->Buffer, size);
            if (!NT_SUCCESS(DMF_LastStatusGet()))
            {
                return failed("skip noise", DMF_LastStatusGet());
            }
            assembler->BytesSkipped += size;
            break;
        case LOOK_IS_PACKET:
            packet = DMF_PingPongBuffer_Consume(assembler->Buffer, 0, size);
            if (packet == NULL)
            {
                return failed("take a packet", DMF_LastStatusGet());
            }
            packet_arrived(assembler, packet);
            break;
        }
        available -= size;
    }
    return true;
}

/* --------------------------------------------------------------------------------------------- the stream */

/* In place of a serial line: packets, and between some of them what a line adds of its own. */
static const struct
{
    const char* Payload;
    const char* NoiseBefore;
    bool Damaged;
} sent[] = {
    {"Bytes arrive in odd pieces,", "", false},
    {"and whole packets leave.", "\x01\x02\x03", false},
    {"", "", false},
    {"This one lost a bit on its way,", "", true},
    {"so it never appears;", "", false},
    {"a stray beginning is skipped too,", "\xA5\x04" "AB", false},
    {"and the stream goes on.", "~~~~~", false},
};

#define SENT_COUNT (sizeof(sent) / sizeof(sent[0]))

static size_t packet_append(UCHAR* stream, size_t at, size_t which)
{
    size_t length = strlen(sent[which].Payload);
    size_t noise = strlen(sent[which].NoiseBefore);

    memcpy(stream + at, sent[which].NoiseBefore, noise);
    at += noise;
    stream[at] = PACKET_BEGIN;
    stream[at + 1] = (UCHAR)length;
    memcpy(stream + at + 2, sent[which].Payload, length);
    stream[at + 2 + length] = sum_of(stream + at + 1, length + 1);
    if (sent[which].Damaged)
    {
        stream[at + 2] ^= 0x20;
    }
    return at + PACKET_OVERHEAD + length;
}

int main(int argc, char** argv)
{
    static const ULONG piece_sizes[] = {1, 7, 3, PIECE_SIZE_MAX, 2, 13, 29, 5};
    static UCHAR stream[SENT_COUNT * (PACKET_SIZE_MAX + 16)];
    size_t stream_size = 0;
    unsigned expected = 0;
    ASSEMBLER assembler;
    bool good = true;

    if (argc > 1)
    {
        fprintf(stderr, "packet_assembler: it takes no arguments, such as %s\nusage: packet_assembler\n", argv[1]);
        return 2;
    }
    for (size_t i = 0; i < SENT_COUNT; i++)
    {
        stream_size = packet_append(stream, stream_size, i);
        expected += !sent[i].Damaged;
    }
    if (!assembler_open(&assembler))
    {
        return 1;
    }

    for (size_t at = 0, i = 0; at < stream_size && good; i++)
    {
        size_t size = piece_sizes[i % (sizeof(piece_sizes) / sizeof(piece_sizes[0]))];
        size = size < stream_size - at ? size : stream_size - at;
        good = piece_arrived(&assembler, stream + at, (ULONG)size);
        at += size;
    }

    printf("%u packets out of %u pieces; %u bytes were no packet\n", assembler.Packets, assembler.Pieces,
           assembler.BytesSkipped);
    assembler_close(&assembler);
    return good && assembler.Packets == expected ? 0 : 1;
}
