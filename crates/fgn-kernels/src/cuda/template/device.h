/* What a kernel finds around it on a device. A host that plays one brings the same. */
#ifdef __CUDACC__
#define FGN_KERNEL extern "C" __global__
extern __shared__ real fgn_shared[];
#define FGN_SHARED(type, name) type *const name = fgn_shared
/* Past the cache of a processor, which does not see what others write. */
#define FGN_FRESH(place) __ldcg(place)
#define FGN_PAUSE ((void)0)
/* So that small arrays are registers. */
#define FGN_UNROLL _Pragma("unroll")
#endif

FGN_FUNCTION long long first_place(void) {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

FGN_FUNCTION long long all_threads(void) { return (long long)gridDim.x * blockDim.x; }
