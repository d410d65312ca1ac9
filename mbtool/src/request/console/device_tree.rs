//! `auto` on a machine with a device tree: the UART of `stdout-path`, or else firmware's own console, or that of ACPI.

use super::from_firmware;
use super::note::{DtUartProblem, Note, Source};
use crate::arch::Architecture;
use crate::fdt::{DtUart, UartModel};
use crate::host::Host;
use handoff::spec::Console;

/// The console, and what is wrong with the UART if it is another one.
pub(super) fn auto(host: &Host, notes: &mut Vec<Note>) -> Option<Console> {
    let tree = host.device_tree.as_ref().and_then(|blob| blob.tree().ok());
    let stdout = tree.map_or(Ok(None), |tree| tree.stdout());
    let problem = match stdout {
        Ok(Some(uart)) => match driven(&uart, host.arch) {
            Ok(console) => {
                let source_of = Source::TreeConsole(uart.name);
                notes.push(Note::Found { console, source_of });
                return Some(console);
            }
            Err(why) => Some(Note::DtUart {
                name: uart.name,
                why,
            }),
        },
        Ok(None) => None,
        Err(why) => Some(Note::TreeConsole(why.to_string())),
    };
    notes.extend(problem);
    let found = match host.arch {
        Architecture::Riscv64 => Some((Console::Firmware, Source::Sbi)),
        _ => from_firmware(host, notes).map(|console| (console, Source::Firmware)),
    };
    let Some((console, source_of)) = found else {
        notes.push(Note::NoneInTree);
        return None;
    };
    notes.push(Note::Found { console, source_of });
    Some(console)
}

/// The UART as the handoff drives it; it keeps its settings.
fn driven(uart: &DtUart, arch: Architecture) -> Result<Console, DtUartProblem> {
    match &uart.model {
        UartModel::Ns16550 => {}
        UartModel::Pl011 if arch == Architecture::Riscv64 => {
            return Err(DtUartProblem::Model("PL011".to_owned()));
        }
        UartModel::Pl011 => return pl011(uart),
        UartModel::SiFive => return Err(DtUartProblem::Model("SiFive UART".to_owned())),
        UartModel::Other(name) => return Err(DtUartProblem::Model(name.clone())),
    }
    if !uart.available {
        return Err(DtUartProblem::Disabled);
    }
    if uart.big_endian {
        return Err(DtUartProblem::BigEndian);
    }
    let layout = DtUartProblem::Layout {
        shift: uart.shift,
        width: uart.width,
    };
    let stride = 1_u8.checked_shl(uart.shift).filter(|stride| *stride <= 16);
    let (Some(stride), Some(width)) = (stride, u8::try_from(8 * uart.width).ok()) else {
        return Err(layout);
    };
    if stride * 8 < width || !uart.address.is_multiple_of(u64::from(uart.width)) {
        return Err(layout);
    }
    Ok(Console::Mmio {
        addr: uart.address,
        stride,
        width,
        divisor: None,
    })
}

fn pl011(uart: &DtUart) -> Result<Console, DtUartProblem> {
    let addr = uart.address;
    match uart.available {
        false => Err(DtUartProblem::Disabled),
        true if uart.big_endian => Err(DtUartProblem::BigEndian),
        true if uart.shift != 2 || !addr.is_multiple_of(4) => Err(DtUartProblem::Layout {
            shift: uart.shift,
            width: uart.width,
        }),
        true => Ok(Console::Pl011 { addr }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConsoleError, ConsoleSpec, resolve};
    use super::*;
    use crate::arch::Architecture;
    use crate::fdt::DeviceTree;
    use crate::host::device_tree::TreeBlob;
    use crate::host::serial::Spcr;

    fn host(edit: impl FnOnce(&mut DeviceTree)) -> Host {
        let mut tree = DeviceTree::default();
        let cells = |number: u32| number.to_be_bytes().to_vec();
        tree.root.set("#address-cells", cells(2));
        tree.root.set("#size-cells", cells(2));
        let uart = tree.root.child_or_new("serial@10000000");
        uart.set_string("compatible", "ns16550a");
        uart.set("reg", [0, 0x1000_0000, 0, 0x100].map(cells).concat());
        tree.root
            .child_or_new("chosen")
            .set_string("stdout-path", "/serial@10000000:115200");
        edit(&mut tree);
        Host {
            arch: Architecture::Riscv64,
            device_tree: Some(TreeBlob(tree.write().unwrap())),
            ..Host::default()
        }
    }

    fn resolved(edit: impl FnOnce(&mut DeviceTree)) -> (Vec<Console>, Vec<Note>) {
        // what the kernel's command line names is of no use: ttyS0 is another UART on each machine
        let host = Host {
            cmdline: "console=ttyS0".to_owned(),
            ..host(edit)
        };
        let found = resolve(&[ConsoleSpec::Auto], &host, "").unwrap();
        (found.consoles, found.notes)
    }

    const fn console(stride: u8, width: u8) -> Console {
        Console::Mmio {
            addr: 0x1000_0000,
            stride,
            width,
            divisor: None,
        }
    }

    fn uart(tree: &mut DeviceTree) -> &mut crate::fdt::DtNode {
        tree.root.child_or_new("serial@10000000")
    }

    #[test]
    fn the_uart_is_that_of_stdout_path() {
        let (consoles, notes) = resolved(|_| {});
        assert_eq!(consoles, [console(1, 8)]);
        let source_of = Source::TreeConsole("/serial@10000000".to_owned());
        let console_of = console(1, 8);
        let console_note = Note::Found {
            console: console_of,
            source_of,
        };
        assert_eq!(notes, [console_note]);
        let (consoles, _) = resolved(|tree| {
            uart(tree).set("reg-shift", 2_u32.to_be_bytes());
            uart(tree).set("reg-io-width", 4_u32.to_be_bytes());
        });
        assert_eq!(consoles, [console(4, 32)]);
    }

    #[test]
    fn a_uart_of_another_kind_leaves_firmware() {
        let sifive = |tree: &mut DeviceTree| uart(tree).set_string("compatible", "sifive,uart0");
        let disabled = |tree: &mut DeviceTree| uart(tree).set_string("status", "disabled");
        let wide = |tree: &mut DeviceTree| uart(tree).set("reg-io-width", 4_u32.to_be_bytes());
        let big = |tree: &mut DeviceTree| uart(tree).set("big-endian", []);
        let layout = DtUartProblem::Layout { shift: 0, width: 4 };
        let model = DtUartProblem::Model("SiFive UART".to_owned());
        for ((consoles, notes), why) in [
            (resolved(sifive), model),
            (resolved(disabled), DtUartProblem::Disabled),
            (resolved(wide), layout),
            (resolved(big), DtUartProblem::BigEndian),
        ] {
            assert_eq!(consoles, [Console::Firmware], "{why}");
            let name = "/serial@10000000".to_owned();
            assert_eq!(notes[0], Note::DtUart { name, why });
        }
    }

    /// A machine of arm64 with a PL011.
    fn arm64(edit: impl FnOnce(&mut DeviceTree)) -> Host {
        let host = host(|tree| {
            uart(tree).set("compatible", b"arm,pl011\0arm,primecell\0".to_vec());
            edit(tree);
        });
        Host {
            arch: Architecture::Arm64,
            ..host
        }
    }

    #[test]
    fn a_pl011_is_driven_on_arm() {
        let of = |host: &Host| resolve(&[ConsoleSpec::Auto], host, "").unwrap();
        let addr = 0x1000_0000;
        assert_eq!(of(&arm64(|_| {})).consoles, [Console::Pl011 { addr }]);
        let sbsa = |tree: &mut DeviceTree| uart(tree).set_string("compatible", "arm,sbsa-uart");
        assert_eq!(of(&arm64(sbsa)).consoles, [Console::Pl011 { addr }]);
        let disabled = of(&arm64(|tree| uart(tree).set_string("status", "disabled")));
        let why = DtUartProblem::Disabled;
        let name = "/serial@10000000".to_owned();
        assert_eq!(disabled.consoles, []);
        assert_eq!(
            disabled.notes,
            [Note::DtUart { name, why }, Note::NoneInTree]
        );
        let (riscv64, _) = resolved(|tree| uart(tree).set_string("compatible", "arm,pl011"));
        assert_eq!(riscv64, [Console::Firmware]);
    }

    #[test]
    fn acpi_has_the_console_where_the_tree_has_none() {
        let spcr = |interface, address| Spcr {
            interface,
            space: 0,
            bit_width: 32,
            access: 3,
            address,
            baud: 0,
            pci: None,
        };
        let of = |interface, address| {
            let mut host = arm64(|tree| {
                tree.root.child_or_new("chosen").remove("stdout-path");
            });
            host.serial.spcr = Some(spcr(interface, address));
            resolve(&[ConsoleSpec::Auto], &host, "").unwrap()
        };
        let addr = 0x900_0000;
        for interface in [3, 0xd, 0xe] {
            let found = of(interface, addr);
            let console = Console::Pl011 { addr };
            let source_of = Source::Firmware;
            assert_eq!(found.consoles, [console]);
            assert_eq!(found.notes, [Note::Found { console, source_of }]);
        }
        let uart = Console::Mmio {
            addr,
            stride: 4,
            width: 32,
            divisor: None,
        };
        assert_eq!(of(0x12, addr).consoles, [uart]);
        for (interface, addr) in [(3, addr + 2), (4, addr), (3, 0)] {
            let found = of(interface, addr);
            assert_eq!(found.consoles, []);
            assert!(matches!(found.notes[..], [Note::Spcr(_), Note::NoneInTree]));
        }
    }

    #[test]
    fn without_stdout_path_or_with_a_wrong_one_it_is_firmwares() {
        let (consoles, notes) = resolved(|tree| {
            tree.root.child_or_new("chosen").remove("stdout-path");
        });
        assert_eq!((consoles, notes.len()), (vec![Console::Firmware], 1));
        let (consoles, notes) = resolved(|tree| {
            let chosen = tree.root.child_or_new("chosen");
            chosen.set_string("stdout-path", "/nowhere");
        });
        assert_eq!(consoles, [Console::Firmware]);
        assert!(matches!(&notes[0], Note::TreeConsole(_)), "{notes:?}");
    }

    #[test]
    fn consoles_of_other_machines_are_refused() {
        let of = |text: &str, host: &Host| {
            let spec = super::super::parse(text).unwrap();
            resolve(&[spec], host, "")
        };
        let riscv64 = host(|_| {});
        let pl011 = "pl011:0x9000000";
        assert!(matches!(
            of(pl011, &riscv64),
            Err(ConsoleError::NotHere { .. })
        ));
        let addr = 0x900_0000;
        assert_eq!(
            of(pl011, &arm64(|_| {})).unwrap().consoles,
            [Console::Pl011 { addr }]
        );
        for text in ["com1", "pio:0x3f8", "debugcon"] {
            assert!(
                matches!(of(text, &riscv64), Err(ConsoleError::NotHere { .. })),
                "{text}"
            );
        }
        assert_eq!(of("sbi", &riscv64).unwrap().consoles, [Console::Firmware]);
        assert!(matches!(
            of("sbi", &Host::default()),
            Err(ConsoleError::NotHere { .. })
        ));
    }
}
