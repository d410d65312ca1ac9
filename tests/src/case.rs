//! An end-to-end case: its name, how its machines start, and its approximate duration.

use std::cell::Cell;

use anyhow::Result;
use images::assets::Asset;

/// Start of the machines of a case. Given in the list of cases before the seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From power-on: at least one case per configuration, and cases that check every byte or fill
    /// memory.
    Booted,
    /// From a template (docs/testing.md), if they begin with a first stage.
    Restored,
    /// No machine: everything runs on the host.
    Here,
}

/// A case of the test binary `e2e`. Made by [`cases!`](crate::cases).
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Module and function.
    pub name: &'static str,
    /// Start of its machines.
    pub start: Start,
    /// Duration on two free cores: the longest cases begin first.
    pub seconds: u32,
    /// Why it only runs with `--ignored`.
    pub ignored: Option<&'static str>,
    /// The kernel that it tests, if Debian replaces it with newer versions. A failure with a
    /// version that is newer than any that passed is reported, but not counted.
    pub newest: Option<&'static Asset>,
    /// Function of the case.
    pub run: fn() -> Result<()>,
}

thread_local! {
    static START: Cell<Start> = const { Cell::new(Start::Booted) };
}

/// Returns how machines of this thread start; from power-on outside of a case.
pub(crate) fn start() -> Start {
    START.get()
}

/// Begins a case with this start mode in this thread.
pub(crate) fn begin(start: Start) {
    START.set(start);
}

/// The functions of a module that are cases, each with how its machines start and the seconds it
/// takes. With a text they run only on request: `"slow"` for other combinations of tested features;
/// else the reason. `on LINUX_7` marks those whose kernel may be [newer than any that was
/// tried](Asset::is_new).
///
/// ```
/// fn quick() -> anyhow::Result<()> {
///     Ok(())
/// }
/// fn slow() -> anyhow::Result<()> {
///     Ok(())
/// }
/// tests::cases! {
///     quick: restored 9 s;
///     slow: booted 120 s, "slow";
/// }
/// assert_eq!(CASES.len(), 2);
/// assert_eq!(CASES[1].ignored, Some("slow"));
/// ```
#[macro_export]
macro_rules! cases {
    ($($name:ident: $start:ident $seconds:literal s $(on $newest:ident)? $(, $ignored:literal)?;)+) => {
        /// The cases of this module.
        pub const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            name: concat!(module_path!(), "::", stringify!($name)),
            start: $crate::cases!(@start $start),
            seconds: $seconds,
            ignored: $crate::cases!(@option $($ignored)?),
            newest: $crate::cases!(@option $(&$newest)?),
            run: $name,
        }),+];
    };
    (@start booted) => { $crate::case::Start::Booted };
    (@start restored) => { $crate::case::Start::Restored };
    (@start here) => { $crate::case::Start::Here };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
}
