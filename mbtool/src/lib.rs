//! Boot handoff toolkit for Multiboot2, Xen and Linux: [`cli`] -> [`cmd`] -> [`request`] -> [`plan`] -> [`backend`].
//!
//! A load: [`request`] reads the image ([`image`], [`decompress`]), [`host`] reads the running machine, [`plan`] makes a
//! pure value of both, and a [`backend`] hands it to the kernel or to Xen. docs/architecture.md has the whole picture;
//! tests/layers.rs holds which folder may import which. The lowest layer first:
//!
//! | folder | content |
//! |---|---|
//! | [`abi`] | structures that other programs define: `boot_params`, Multiboot (1), PCI, SPCR |
//! | [`arch`] | what differs between machines: numbers, limits of addresses |
//! | [`sys`] | bounded reads, mountinfo, numbers and byte counts, kernel command lines, time limits |
//! | [`input`], [`decompress`] | input files, unpacked |
//! | [`fdt`] | device trees: read, edited, written; facts of them; the tree that a Linux gets |
//! | [`image`] | image formats and boot protocols: bytes to an [`image::Image`] |
//! | [`host`] | everything read from the running machine: memory map, firmware, consoles, Xen, crash notes |
//! | [`ramlog`] | the handoff's log in RAM |
//! | [`quiesce`] | a dom0 at rest before Xen jumps |
//! | [`config`] | /etc/mbtool/crash.toml |
//! | [`save`] | the dump, saved in the crash kernel |
//! | [`decode`] | exception dumps of a serial log, explained |
//! | [`plan`] | addresses, boot information, crash data: image and host to a [`plan::Plan`] |
//! | [`probe`] | what CPUs and kernel are for a kexec |
//! | [`backend`] | `kexec_load(2)`, Xen's hypercall, a directory; kexec status |
//! | [`request`] | boot options, checked against files and machine |
//! | [`setup`] | a machine set up for crash dumps |
//! | [`doctor`] | whether this machine is ready |
//! | [`cmd`] | one verb a file |
//! | [`cli`] | clap structs; imported by nothing |

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod abi;
pub mod arch;
pub mod backend;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod decode;
pub mod decompress;
pub mod doctor;
pub mod fdt;
pub mod host;
pub mod image;
pub mod input;
pub mod plan;
pub mod probe;
pub mod quiesce;
pub mod ramlog;
pub mod request;
pub mod save;
pub mod setup;
pub mod sys;
