/* What a Cortex-M4 does after a reset, up to `main`: newlib's `_start` begins there. */
#include <stddef.h>
#include <stdint.h>

#define STACK_TOP 0x20400000u
#define COPROCESSOR_ACCESS (*(volatile uint32_t *)0xE000ED88u)

extern void _start(void);
size_t stack_used(void (*function)(void));

static void reset(void) {
    COPROCESSOR_ACCESS |= 0xFu << 20; /* the unit for float */
    __asm volatile("dsb\n\tisb");
    _start();
}

static void fault(void) {
    for (;;) {
        __asm volatile("udf #0"); /* a fault in a fault: the emulator stops */
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))STACK_TOP, reset, fault, fault, fault, fault, fault,
};

/* How many bytes of stack a function and all that it calls use. */
__attribute__((noinline)) size_t stack_used(void (*function)(void)) {
    enum { WORDS = 16384 };
    const uint32_t paint = 0xA5C3F00Du;
    uint32_t *top, *word;

    __asm volatile("mov %0, sp" : "=r"(top));
    for (word = top - WORDS; word < top; word++) {
        *(volatile uint32_t *)word = paint;
    }
    function();
    for (word = top - WORDS; word < top && *(volatile uint32_t *)word == paint; word++) {
    }
    return (size_t)(top - word) * sizeof *word;
}
