//! The processes that `mpirun` has started together, and that train one model.
//!
//! The first one writes and prints; the others are silent unless they fail. None may wait for one that has failed: an
//! error and a panic end them all.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use fgn_train::{Alone, Compute, Group};

use crate::error::{Error, Result};
use crate::output::{note, with_causes};

/// The variables in which the launchers of Open MPI, MPICH and others say how many processes they have started.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"];

/// Those in which launchers that do not say it, as Slurm's `srun`, number the processes.
const RANKS: [&str; 2] = ["PMIX_RANK", "PMI_RANK"];

/// How long the others leave it to the first process to report an error that all have.
const FIRST_REPORTS: Duration = Duration::from_millis(500);

/// The processes, as this one sees them. Dropped at the end of the program, it waits for the others.
pub(crate) struct Processes {
    group: Arc<dyn Group>,
    #[cfg(feature = "mpi")]
    _mpi: Option<fgn_mpi::Mpi>,
}

impl Processes {
    /// This process alone.
    pub(crate) fn alone() -> Processes {
        Processes {
            group: Arc::new(Alone),
            #[cfg(feature = "mpi")]
            _mpi: None,
        }
    }

    /// Joins the processes that were started with this one, if any were.
    ///
    /// # Errors
    /// [`Error::NoMpi`] in a build without MPI.
    pub(crate) fn start() -> Result<Processes> {
        let count = |key| std::env::var(key).ok()?.parse::<usize>().ok();
        let is_launched = RANKS.into_iter().any(|key| std::env::var_os(key).is_some());
        match (SIZES.into_iter().find_map(count), is_launched) {
            (None, false) => Ok(Processes::alone()),
            (count, _) => Processes::join(count.unwrap_or(1)),
        }
    }

    #[cfg(not(feature = "mpi"))]
    fn join(count: usize) -> Result<Processes> {
        match count {
            0 | 1 => Ok(Processes::alone()),
            _ => Err(Error::NoMpi { count }),
        }
    }

    #[cfg(feature = "mpi")]
    fn join(_: usize) -> Result<Processes> {
        let Some(mpi) = fgn_mpi::start() else { return Ok(Processes::alone()) };
        let processes = Processes { group: mpi.group(), _mpi: Some(mpi) };
        let rank = processes.group.rank();
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            note(&format!("process {rank} panicked\n"));
            report(panic);
            // The launcher ends the others when one ends by a signal.
            std::process::abort();
        }));
        Ok(processes)
    }

    /// Whether this process writes and prints.
    pub(crate) fn is_first(&self) -> bool {
        self.group.rank() == 0
    }

    /// The threads of this process where several share the machine: an equal part of its cores, and no more than the
    /// process may use.
    pub(crate) fn threads(&self) -> Option<usize> {
        let usable = std::thread::available_parallelism().map_or(1, usize::from);
        let local = self.group.local_size();
        (local > 1).then(|| (cores().unwrap_or(usable) / local).clamp(1, usable))
    }

    /// These processes on a device.
    pub(crate) fn compute(&self, device: &Device) -> Compute {
        Compute { device: device.clone(), group: self.group.clone() }
    }

    /// The result of a command of all processes. An error of one among several is reported with its number, and ends all
    /// of them.
    pub(crate) fn guard(&self, result: Result<ExitCode>) -> Result<ExitCode> {
        match result {
            Err(error) if self.group.size() > 1 && !matches!(error, Error::Closed) => {
                if !self.is_first() {
                    std::thread::sleep(FIRST_REPORTS);
                }
                let rank = self.group.rank();
                note(&format!("error: process {rank}: {}\n", with_causes(&error).trim_end()));
                abort()
            }
            result => result,
        }
    }
}

#[cfg(feature = "mpi")]
fn abort() -> ! {
    fgn_mpi::abort(1)
}

#[cfg(not(feature = "mpi"))]
fn abort() -> ! {
    std::process::exit(1)
}

/// The cores of the machine, whichever of them this process may use; none where the system does not say.
fn cores() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_prints_and_keeps_its_threads() {
        let alone = Processes::alone();
        assert!(alone.is_first());
        assert_eq!(alone.threads(), None);
        let error = alone.guard(Err(Error::NoMpi { count: 3 })).unwrap_err();
        assert!(error.to_string().starts_with("3 processes were started together"), "{error}");
    }
}
