//! Boot parameters that are decided before placement: strings, Xen, RSDP tags,
//! Linux facts.

use super::linux;
use super::mb2_requests::{self, Available};
use super::{e820, low_memory, xen_screen};
use crate::host::Host;
use crate::host::screen::Screen;
use crate::host::smbios::Smbios;
use crate::image::Protocol;
use crate::image::linux::Setup;
use crate::plan::cmdline_change::{CmdlineChange, LineOwner};
use crate::plan::place::image::ImageRules;
use crate::plan::xen_image::xen_image;
use crate::plan::{PlanError, Request, request};
use xen_shim::XenInfo;
use xen_shim::cmdline::Cmdline;
use xen_shim::contract::{self, XenWarning};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Boot parameters that are known before anything is placed.
#[derive(Clone, Debug)]
pub(crate) struct BootParams {
    /// Facts about the Xen image, if it is one.
    pub xen: Option<XenInfo>,
    /// Command line to pass.
    pub cmdline: String,
    /// Boot loader name to pass.
    pub loader: String,
    /// Command line of dom0, if it differs from the given one.
    pub dom0_line: Option<String>,
    /// RSDP tags to send.
    pub rsdp: mb2_requests::RsdpTags,
    /// The screen, if it is as firmware has left it.
    pub screen: Option<Screen>,
    /// SMBIOS, if the machine has it.
    pub smbios: Option<Smbios>,
    /// Choices for a Linux image.
    pub linux: linux::Chosen,
    /// Changes of the command lines.
    pub changes: Vec<CmdlineChange>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// Returns facts about the image if it is Xen.
///
/// # Errors
///
/// When the request would start Xen in an unsupported way.
fn recognize(request: &Request) -> Result<Option<XenInfo>, PlanError> {
    let image = &request.image;
    let Some(xen) = xen_image(image) else {
        return Ok(None);
    };
    match image.protocol {
        Protocol::Pvh => return Err(PlanError::XenByPvh),
        Protocol::Multiboot2 => {}
        _ if image.has_multiboot2 => return Err(PlanError::XenByMultiboot1),
        _ => {}
    }
    if request.crash.is_some() && request.real_mode {
        return Err(PlanError::CrashXenRealMode);
    }
    Ok(Some(xen))
}

impl BootParams {
    /// Checks the requests of the image, and completes the command lines.
    ///
    /// # Errors
    ///
    /// When a required item is not available, or cannot be passed by the
    /// protocol.
    pub(crate) fn decide(request: &Request, host: &Host) -> Result<Self, PlanError> {
        let image = &request.image;
        let mut modules = request.modules.iter();
        if let Some(index) = modules.position(|module| module.data.is_empty()) {
            let name = request.segment_name(index);
            return Err(PlanError::EmptyModule { name });
        }
        let xen = recognize(request)?;
        let available = Available {
            sections: image.sections.is_some(),
            rsdp_revision: low_memory::reachable_rsdp(host).map(|rsdp| rsdp.revision),
            screen: host.boot_facts.screen_left(),
            smbios: host.boot_facts.smbios.is_some(),
        };
        let (rsdp, unsatisfied) = mb2_requests::check(&image.requirements, &available)?;
        let mut warnings = request.warnings.clone();
        warnings.extend(image.warnings.iter().cloned());
        warnings.extend(unsatisfied);
        if matches!(image.protocol, Protocol::Multiboot1(_)) && host.low_memory.efi {
            warnings.push(
                "Multiboot (1) has no place for the ACPI root pointer, and on a UEFI machine the \
                 image will not find it by itself: it starts without ACPI"
                    .to_owned(),
            );
        }
        let mut params = Self {
            xen: None,
            cmdline: request.cmdline.clone(),
            loader: format!("mbtool {VERSION}"),
            dom0_line: None,
            rsdp,
            screen: available.screen.as_ref().ok().copied(),
            smbios: host.boot_facts.smbios.clone(),
            linux: linux::Chosen::default(),
            changes: request.changes.clone(),
            warnings,
        };
        if let Protocol::Linux(setup) = &image.protocol {
            params.for_linux(request, host, setup)?;
            return Ok(params);
        }
        if let Some(xen) = xen {
            params.for_xen(xen, request, host)?;
            let dark = xen_screen::missing(&params, request, available.screen);
            params.warnings.extend(dark.map(|why| why.to_string()));
        }
        Ok(params)
    }

    fn for_linux(
        &mut self,
        request: &Request,
        host: &Host,
        setup: &Setup,
    ) -> Result<(), PlanError> {
        self.linux = linux::choose(request, host, setup, &mut self.warnings)?;
        let mut line = Cmdline::linux(&request.cmdline);
        for parameter in &self.linux.parameters {
            line.append(parameter);
            let why = "the kernel finds no ACPI tables otherwise";
            let added = CmdlineChange::added(LineOwner::Linux, parameter.clone(), why);
            self.changes.push(added);
        }
        if !self.linux.parameters.is_empty() {
            self.cmdline = line.to_string();
        }
        // Linux gets a loader number, not a name
        self.loader.clear();
        Ok(())
    }

    fn for_xen(&mut self, xen: XenInfo, request: &Request, host: &Host) -> Result<(), PlanError> {
        let modules: Vec<(&str, &[u8])> = request
            .modules
            .iter()
            .map(|module| (module.name.as_str(), &module.data[..]))
            .collect();
        let warnings = contract::check_modules(&modules)?;
        self.warn(&warnings);
        let mut line = Cmdline::xen(&request.cmdline);
        let warnings = contract::complete(&mut line, request.real_mode);
        if warnings.contains(&XenWarning::NoRealModeAdded) {
            let why = "the BIOS cannot be called after another kernel has run";
            let parameter = contract::NO_REAL_MODE.to_owned();
            let added = CmdlineChange::added(LineOwner::Xen, parameter, why);
            self.changes.push(added);
        }
        self.warn(&warnings);
        if let Some(kernel) = request.modules.first() {
            contract::check_dom0_line(&kernel.cmdline, &line)?;
        }
        self.cmdline = line.to_string();
        self.loader = contract::loader_name(VERSION);
        let mut strings = vec![self.cmdline.as_str(), self.loader.as_str()];
        strings.extend(request.modules.iter().map(|module| module.cmdline.as_str()));
        let areas = e820::areas(&host.memory_map).len() + 1;
        let tight = contract::check_boot_heap(&strings, modules.len(), areas)?;
        self.warn(tight.as_slice());
        self.xen = Some(xen);
        Ok(())
    }

    /// Records changes, and prints them.
    pub(crate) fn changed(&mut self, changes: Vec<CmdlineChange>) {
        let text = changes.iter().map(ToString::to_string);
        self.warnings.extend(text);
        self.changes.extend(changes);
    }

    fn warn(&mut self, warnings: &[XenWarning]) {
        self.warnings
            .extend(warnings.iter().map(ToString::to_string));
    }

    /// Returns the placement constraints of the image.
    pub(in crate::plan) fn image_rules<'a>(&self, request: &'a Request) -> ImageRules<'a> {
        ImageRules {
            name: self.image_name(&request.image.name),
            xen: self.xen.is_some(),
        }
    }

    /// Returns the name of the image's segments; `file` is the file name.
    pub(crate) fn image_name<'a>(&self, file: &'a str) -> &'a str {
        match self.xen {
            Some(_) => "xen",
            None => request::base_name(file),
        }
    }
}
