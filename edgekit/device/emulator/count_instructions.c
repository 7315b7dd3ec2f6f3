/*
 * Count the instructions that an emulated AArch64 program executes, from mark to mark.
 *
 * A plugin of QEMU's user-mode emulator, compiled against its qemu-plugin.h (API version 1).
 * The program sets mark K by lseek(F, MARK << 16 | K, SEEK_SET), F being open on /dev/null.
 * At each mark one line goes to the file OUT: the mark, then the counts so far of every class, of
 * data accesses, and of misses in the first and the second level of a data cache.
 *
 * Arguments: out=FILE [l1=BYTES:WAYS l2=BYTES:WAYS]. The caches hold lines of 64 bytes, replace the
 * least recently used, allocate on writes, see virtual addresses and no prefetcher; they start empty
 * at the first mark. QEMU makes two accesses of one that is wider than 64 bits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { LSEEK = 62, MARK = 0x6d61726b, LINE_BITS = 6, THREADS = 256 };
enum { INTEGER, BRANCH, MEMORY, SIMD, DOT, OTHER, CLASSES };

typedef struct {
    uint64_t of[CLASSES];
} Counts;

typedef struct {
    uint64_t *lines; /* [sets][ways], most recently used first; 0 is empty */
    uint64_t sets, misses;
    unsigned ways;
} Cache;

static Counts executed[THREADS]; /* one slot a thread: no two threads write to one */
static Cache first_level, second_level;
static uint64_t accesses;
static bool caches, marked;
static FILE *out;

/* The top level of the encoding, Arm ARM C4.1; SDOT and UDOT, vector and by element, C4.1.96. */
static int class_of(uint32_t word)
{
    if ((word & 0x9fe0fc00) == 0x0e809400 || (word & 0x9fc0f400) == 0x0f80e000) {
        return DOT;
    }
    switch ((word >> 25) & 0xf) {
    case 0x8: case 0x9: case 0x5: case 0xd:
        return INTEGER;
    case 0xa: case 0xb:
        return BRANCH; /* and what talks to the system */
    case 0x4: case 0x6: case 0xc: case 0xe:
        return MEMORY;
    case 0x7: case 0xf:
        return SIMD;
    default:
        return OTHER;
    }
}

static void on_block(unsigned int thread, void *block)
{
    Counts *sum = &executed[thread % THREADS];
    for (int i = 0; i < CLASSES; i++) {
        sum->of[i] += ((const Counts *)block)->of[i];
    }
}

static bool find(Cache *cache, uint64_t line)
{
    uint64_t *set = cache->lines + (line % cache->sets) * cache->ways;
    unsigned way = 0;
    while (way < cache->ways - 1 && set[way] != line) {
        way++;
    }
    bool hit = set[way] == line;
    memmove(set + 1, set, way * sizeof *set);
    set[0] = line;
    cache->misses += !hit;
    return hit;
}

static void on_access(unsigned int thread, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    if (!marked) {
        return;
    }
    uint64_t last = (address + (1ull << qemu_plugin_mem_size_shift(info)) - 1) >> LINE_BITS;
    accesses++;
    for (uint64_t line = address >> LINE_BITS; line <= last; line++) {
        if (!find(&first_level, line)) {
            find(&second_level, line);
        }
    }
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    Counts *block = calloc(1, sizeof *block); /* kept as long as the code that refers to it */
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        block->of[class_of(word)]++;
        if (caches) {
            qemu_plugin_register_vcpu_mem_cb(instruction, on_access, QEMU_PLUGIN_CB_NO_REGS,
                                             QEMU_PLUGIN_MEM_RW, NULL);
        }
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void on_syscall(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t fd,
                       uint64_t offset, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                       uint64_t a7, uint64_t a8)
{
    if (number != LSEEK || offset >> 16 != MARK) {
        return;
    }
    marked = true;
    fprintf(out, "%" PRIu64, offset & 0xffff);
    for (int i = 0; i < CLASSES; i++) {
        uint64_t sum = 0;
        for (int t = 0; t < THREADS; t++) {
            sum += executed[t].of[i];
        }
        fprintf(out, " %" PRIu64, sum);
    }
    fprintf(out, " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", accesses, first_level.misses,
            second_level.misses);
    fflush(out);
}

static bool make_cache(Cache *cache, const char *text)
{
    uint64_t bytes;
    if (sscanf(text, "%" SCNu64 ":%u", &bytes, &cache->ways) != 2 || cache->ways == 0) {
        return false;
    }
    cache->sets = (bytes >> LINE_BITS) / cache->ways;
    cache->lines = calloc(cache->sets * cache->ways, sizeof *cache->lines);
    return cache->sets && cache->lines;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    for (int i = 0; i < argc; i++) {
        bool known = false;
        if (strncmp(argv[i], "out=", 4) == 0) {
            known = (out = fopen(argv[i] + 4, "w"));
        } else if (strncmp(argv[i], "l1=", 3) == 0) {
            known = caches = make_cache(&first_level, argv[i] + 3);
        } else if (strncmp(argv[i], "l2=", 3) == 0) {
            known = make_cache(&second_level, argv[i] + 3);
        }
        if (!known) {
            fprintf(stderr, "count_instructions: cannot use %s\n", argv[i]);
            return -1;
        }
    }
    if (!out || caches != (second_level.lines != NULL) || strcmp(info->target_name, "aarch64")) {
        fprintf(stderr, "count_instructions: needs out=, both caches or none, and aarch64\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
