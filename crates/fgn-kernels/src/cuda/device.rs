//! A GPU through Candle: its memory, cuBLAS, and NVRTC.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::cublas::{result as cublas, sys as blas};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg, sys,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDType, WrapErr, gemm_reduced_precision_f32};
use candle_core::{CudaDevice, CudaStorage, Result, bail};
use fgn_core::AnyCell;

use super::gpu::{Gpu, Launch, Limits, Matrix, Product, Run};
use super::{Number, source};

/// The newest architecture that is compiled for; later ones run its code too.
const NEWEST: i32 = 90;
const THREADS: usize = 256;

/// A device that runs the kernels of a cell.
pub(super) struct Device {
    device: CudaDevice,
    stream: Arc<CudaStream>,
    number: Number,
    module: Module,
}

/// The kernels of a cell, compiled.
#[derive(Clone)]
struct Module {
    name: String,
    ptx: Arc<str>,
}

// SAFETY: all fields are numbers or addresses of 8 bytes, which kernels take as they are.
unsafe impl DeviceRepr for Run {}

impl Device {
    /// Compiles the kernels if they are needed for the first time.
    pub(super) fn new(device: &CudaDevice, cell: AnyCell, number: Number) -> Result<Self> {
        let stream = device.cuda_stream();
        let (major, minor) = stream.context().compute_capability().w()?;
        let architecture = major * 10 + minor;
        if number == Number::Bf16 && architecture < 80 {
            bail!(
                "{cell}: bf16 needs a GPU of compute capability 8.0 or later, this one has {major}.{minor}; use \
                 f32"
            );
        }
        let module = compiled(cell, number, architecture.min(NEWEST))?;
        Ok(Self { device: device.clone(), stream, number, module })
    }

    fn function(&self, kernel: &str) -> Result<CudaFunction> {
        let Module { name, ptx } = &self.module;
        Ok(self.device.get_or_load_custom_func(kernel, name, ptx)?.into_cuda_function())
    }

    fn attribute(&self, attribute: sys::CUdevice_attribute) -> Result<usize> {
        let value = self.stream.context().attribute(attribute).w()?;
        Ok(usize::try_from(value).unwrap_or(0))
    }

    /// A tensor of memory that was allocated as bytes.
    pub(super) fn storage<T: CudaDType>(&self, memory: CudaSlice<u8>) -> CudaStorage {
        let len = memory.len() / size_of::<T>();
        let address = memory.leak();
        // SAFETY: the memory was got from this stream, is given away here, and holds as many numbers; all of
        // it is aligned for any number.
        let slice = unsafe { self.stream.upgrade_device_ptr::<T>(address, len) };
        CudaStorage::wrap_cuda_slice(slice, self.device.clone())
    }

    pub(super) fn stream(&self) -> &CudaStream {
        &self.stream
    }

    fn data_type(&self, matrix: Matrix) -> blas::cudaDataType {
        match (self.number, matrix.wide) {
            (Number::F64, _) => blas::cudaDataType::CUDA_R_64F,
            (Number::Bf16, false) => blas::cudaDataType::CUDA_R_16BF,
            _ => blas::cudaDataType::CUDA_R_32F,
        }
    }
}

/// The kernels of a cell for an architecture, compiled at most once per process.
fn compiled(cell: AnyCell, number: Number, architecture: i32) -> Result<Module> {
    static ALL: Mutex<Option<HashMap<String, Arc<str>>>> = Mutex::new(None);
    let text = source(cell, number);
    // Candle finds modules by name alone.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let name = format!("fgn-{architecture}-{:016x}", hasher.finish());
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let all = all.get_or_insert_default();
    if let Some(ptx) = all.get(&name) {
        return Ok(Module { name, ptx: ptx.clone() });
    }
    let options = CompileOptions {
        options: vec![format!("--gpu-architecture=compute_{architecture}")],
        name: Some(format!("{}.cu", cell.name())),
        ..CompileOptions::default()
    };
    let ptx: Arc<str> = compile_ptx_with_opts(text, options).w()?.to_src().into();
    all.insert(name.clone(), ptx.clone());
    Ok(Module { name, ptx })
}

/// The address of a tensor's elements, with the guard that must live as long as the address is used.
pub(super) fn address<'a, T>(
    slice: &'a CudaSlice<T>,
    stream: &'a CudaStream,
    start: usize,
) -> (u64, impl Sized + use<'a, T>) {
    let (address, guard) = slice.device_ptr(stream);
    (address + (start * size_of::<T>()) as u64, guard)
}

impl Gpu for Device {
    type Memory = CudaSlice<u8>;

    fn limits(&self) -> Result<Limits> {
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH,
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
            CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
        };
        let cooperative = self.attribute(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH)? == 1;
        // For the tests and measurements of both ways.
        let alternating =
            std::env::var_os("FGN_CUDA_STRATEGY").is_some_and(|way| way == "alternating");
        let processors = self.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        Ok(Limits {
            processors: if cooperative && !alternating { processors } else { 0 },
            shared: self.attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            threads: THREADS,
            persistent_threads: THREADS,
        })
    }

    fn zeros(&self, bytes: usize) -> Result<CudaSlice<u8>> {
        // An allocation of nothing is an error.
        self.stream.alloc_zeros::<u8>(bytes.max(1)).w()
    }

    fn upload(&self, bytes: &[u8]) -> Result<CudaSlice<u8>> {
        self.stream.clone_htod(bytes).w()
    }

    fn download(&self, memory: &CudaSlice<u8>) -> Result<Vec<u8>> {
        self.stream.clone_dtoh(memory).w()
    }

    fn copy(&self, address: u64, bytes: usize) -> Result<CudaSlice<u8>> {
        let copy = self.zeros(bytes)?;
        let (to, _guard) = copy.device_ptr(&self.stream);
        // SAFETY: the callers copy from memory of at least so many bytes that is alive on this stream.
        unsafe {
            candle_core::cuda_backend::cudarc::driver::result::memcpy_dtod_async(
                to,
                address,
                bytes,
                self.stream.cu_stream(),
            )
        }
        .w()?;
        drop(_guard);
        Ok(copy)
    }

    fn address(&self, memory: &CudaSlice<u8>) -> u64 {
        // All uses are on one stream, in order.
        memory.device_ptr(&self.stream).0
    }

    fn product(&self, product: &Product) -> Result<()> {
        use blas::cublasComputeType_t::{
            CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_64F,
        };
        use blas::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
        let Product { sizes, a, b, c, add } = *product;
        let [rows, columns, depth] = sizes.map(|size| size as c_int);
        let operation = |of: Matrix| if of.transposed { CUBLAS_OP_T } else { CUBLAS_OP_N };
        let compute = match self.number {
            Number::F64 => CUBLAS_COMPUTE_64F,
            Number::F32 if gemm_reduced_precision_f32() => CUBLAS_COMPUTE_32F_FAST_TF32,
            _ => CUBLAS_COMPUTE_32F,
        };
        let (one, zero) = ([1.0_f32, 0.0], [1.0_f64, 0.0]);
        let factor = |place: usize| -> *const c_void {
            match self.number {
                Number::F64 => std::ptr::from_ref(&zero[place]).cast(),
                _ => std::ptr::from_ref(&one[place]).cast(),
            }
        };
        let handle = self.device.cublas_handle();
        // The library's matrices are column-major: what it takes for the transposed product is this one.
        // SAFETY: addresses and sizes are those of the run's own memory, alive on this stream.
        unsafe {
            cublas::gemm_ex(
                *handle.handle(),
                operation(b),
                operation(a),
                columns,
                rows,
                depth,
                factor(0),
                b.address as *const c_void,
                self.data_type(b),
                b.stride as c_int,
                a.address as *const c_void,
                self.data_type(a),
                a.stride as c_int,
                factor(usize::from(!add)),
                c.address as *mut c_void,
                self.data_type(c),
                c.stride as c_int,
                compute,
                blas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .w()
    }

    fn launch(&self, launch: &Launch, run: &Run) -> Result<()> {
        use sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let function = self.function(launch.kernel)?;
        if launch.cooperative {
            let bytes = launch.shared as i32;
            function.set_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes).w()?;
        }
        let config = LaunchConfig {
            grid_dim: (launch.grid[0] as u32, launch.grid[1] as u32, 1),
            block_dim: (launch.threads as u32, 1, 1),
            shared_mem_bytes: launch.shared as u32,
        };
        let mut builder = self.stream.launch_builder(&function);
        builder.arg(run);
        // SAFETY: the kernels take one `Run`, whose addresses are of memory alive on this stream, with the
        // sizes that the run has; the template's own source fails to compile if it were another size.
        unsafe {
            match launch.cooperative {
                true => builder.launch_cooperative(config),
                false => builder.launch(config),
            }
        }
        .w()?;
        Ok(())
    }
}
