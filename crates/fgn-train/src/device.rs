//! Where to compute.

use std::str::FromStr;

use candle_core::Device;
use tracing::info;

use crate::error::{Error, Result};

/// Where to compute, as `--device` says it: `auto`, `cpu`, `cuda` or `cuda:N`.
///
/// ```
/// use fgn_train::DeviceChoice;
///
/// assert_eq!("cuda:1".parse::<DeviceChoice>()?, DeviceChoice::Cuda(1));
/// assert!(DeviceChoice::Cpu.open()?.is_cpu());
/// # Ok::<(), fgn_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// The first GPU if this build and this machine have one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The NVIDIA GPU of this number, from 0.
    Cuda(usize),
}

impl DeviceChoice {
    /// The device.
    ///
    /// # Errors
    /// A GPU asked for in a build without the feature `cuda`, or that is not there.
    pub fn open(self) -> Result<Device> {
        let device = match self {
            Self::Cpu => Device::Cpu,
            Self::Auto if !cfg!(feature = "cuda") => Device::Cpu,
            Self::Auto => Device::new_cuda(0).unwrap_or_else(|error| {
                info!("no GPU: {error}");
                Device::Cpu
            }),
            Self::Cuda(_) if !cfg!(feature = "cuda") => return Err(Error::NoCuda),
            Self::Cuda(number) => {
                Device::new_cuda(number).map_err(|source| Error::NoGpu { number, source })?
            }
        };
        info!("computing on {:?}", device.location());
        Ok(device)
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                number.map(Self::Cuda).ok_or_else(|| Error::Value {
                    key: "--device",
                    found: format!("{text:?}"),
                    expected: "auto, cpu, cuda or cuda:N".into(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_go_by_name() {
        let named = |text: &str| text.parse::<DeviceChoice>();
        assert_eq!(named("auto").unwrap(), DeviceChoice::Auto);
        assert_eq!(named("cpu").unwrap(), DeviceChoice::Cpu);
        assert_eq!(named("cuda").unwrap(), DeviceChoice::Cuda(0));
        assert_eq!(named("cuda:3").unwrap(), DeviceChoice::Cuda(3));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", "cuda1"] {
            let error = named(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("cuda:N"), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn without_the_feature_there_is_the_cpu_alone() {
        assert!(DeviceChoice::Auto.open().unwrap().is_cpu());
        let error = DeviceChoice::Cuda(0).open().unwrap_err().to_string();
        assert!(error.contains("--features cuda") && error.contains("--device cpu"), "{error}");
    }
}
