#ifdef FGN_DOUBLE
typedef double real;
#define FGN_REAL(function) function
#else
typedef float real;
#define FGN_REAL(function) function##f
#endif

#ifdef __CUDACC__
#define FGN_FUNCTION static __device__ __forceinline__
#else
#define FGN_FUNCTION static inline
#endif

FGN_FUNCTION real fgn_tanh(real x) { return FGN_REAL(tanh)(x); }
FGN_FUNCTION real fgn_sigmoid(real x) { return (real)1 / ((real)1 + FGN_REAL(exp)(-x)); }
FGN_FUNCTION real fgn_exp(real x) { return FGN_REAL(exp)(x); }
FGN_FUNCTION real fgn_log_sigmoid(real x) {
    return (x < (real)0 ? x : (real)0) - FGN_REAL(log1p)(FGN_REAL(exp)(-FGN_REAL(fabs)(x)));
}
FGN_FUNCTION real fgn_binary(real x) { return x >= (real)0 ? (real)1 : (real)0; }
FGN_FUNCTION real fgn_min_or(real a, real b) { return a < b ? a : b; }
FGN_FUNCTION real fgn_max_or(real a, real b) { return a > b ? a : b; }
FGN_FUNCTION real fgn_mul_add(real a, real b, real c) { return a * b + c; }
