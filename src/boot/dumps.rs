//! What does a crash leave behind? No picture of the memory, which holds every secret of the process.
//!
//! By the limit on the size of such pictures, and not by the process's "dumpable" attribute: without that, a process that is
//! not root's could not even count its own open files (the metrics do), and a debugger could not look at it. Whoever may
//! debug the process can still have a picture on purpose (`gcore PID`).

/// From now on this process leaves none, and cannot have that changed.
pub fn forbid() {
    #[cfg(target_os = "linux")]
    limits::lower();
}

#[cfg(target_os = "linux")]
mod limits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// Bytes. To Linux one says more than none: it starts no program either that takes pictures of crashes, which a limit of
    /// none does not keep it from (`do_coredump` in fs/coredump.c).
    const LONGEST: u64 = 1;

    pub(super) fn lower() {
        let allowed = getrlimit(Resource::Core).maximum;
        let most = Some(allowed.map_or(LONGEST, |allowed| allowed.min(LONGEST)));
        // Less is never refused.
        let _ = setrlimit(
            Resource::Core,
            Rlimit {
                current: most,
                maximum: most,
            },
        );
    }
}
