/* A host in place of a device: what kernels find around them, before their own text. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

typedef struct { unsigned x, y; } Place;

/* Where threads wait for each other. */
typedef struct { int threads, waiting, round; } Barrier;

/* A block's threads, and 32 of them that multiply tiles together. */
typedef struct {
    unsigned char *memory;
    Barrier all;
} Block;
typedef struct {
    unsigned a[32][4], b[32][2];
    Barrier all;
} Warp;

/* The threads take turns on one of the host's: whoever waits lets the next one on. */
typedef struct {
    ucontext_t context;
    Place thread, at;
    Block *block;
    Warp *warp;
    int done;
} Thread;

static Thread *now;
static ucontext_t turns;
static Place blockDim, gridDim;

static void let_others(void) { swapcontext(&now->context, &turns); }

static void wait_at(Barrier *barrier) {
    const int round = barrier->round;
    if (++barrier->waiting == barrier->threads) {
        barrier->waiting = 0;
        barrier->round++;
    }
    while (barrier->round == round) let_others();
}

#define threadIdx (now->thread)
#define blockIdx (now->at)
#define FGN_KERNEL static
#define FGN_SHARED(type, name) type *const name = (type *)now->block->memory
#define FGN_FRESH(place) (*(place))
#define FGN_PAUSE let_others()
#define FGN_UNROLL
#define __syncthreads() wait_at(&now->block->all)
#define __threadfence() ((void)0)
#define atomicAdd(place, more) (*(place) += (more))

static float half_of(unsigned two, int upper) {
    union { unsigned bits; float number; } both;
    both.bits = upper ? two & 0xffff0000u : two << 16;
    return both.number;
}

/* How PTX spreads the tiles of mma.m16n8k16 over 32 threads. */
static inline void fgn_host_multiply_tiles(float sums[4], const unsigned a[4], const unsigned b[2]) {
    const int lane = threadIdx.x % 32;
    Warp *warp = now->warp;
    memcpy(warp->a[lane], a, sizeof warp->a[lane]);
    memcpy(warp->b[lane], b, sizeof warp->b[lane]);
    wait_at(&warp->all);
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
        for (int k = 0; k < 16; k++) {
            const int left = row % 8 * 4 + k % 8 / 2, right = column * 4 + k % 8 / 2;
            sums[i] += half_of(warp->a[left][row / 8 + 2 * (k / 8)], k % 2) *
                       half_of(warp->b[right][k / 8], k % 2);
        }
    }
    wait_at(&warp->all);
}
