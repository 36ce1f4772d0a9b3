//! The assessment objectives that the report answers, in NIST's words, and how far records reach.
//!
//! Source: NIST SP 800-53A Rev. 5 as published in OSCAL by NIST (usnistgov/oscal-content 5.1.1, HIGH
//! baseline), a work of the United States government in the public domain. Bracketed texts stand
//! for parameters that an organisation assigns.

use crate::report::Coverage;

/// A control of the catalogue.
#[derive(Debug)]
pub(crate) struct Control {
    /// Its id.
    pub(crate) id: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// Its assessment objectives.
    pub(crate) objectives: &'static [Objective],
}

/// An assessment objective of SP 800-53A.
#[derive(Debug)]
pub(crate) struct Objective {
    /// Its id in OSCAL.
    pub(crate) id: &'static str,
    /// Its label in SP 800-53A.
    pub(crate) label: &'static str,
    /// Its text.
    pub(crate) prose: &'static str,
    /// How much of it records of a gateway can decide.
    pub(crate) coverage: Coverage,
}

/// The controls of the report, in its order.
#[rustfmt::skip]
pub(crate) const CONTROLS: &[Control] = &[
    Control { id: "ac-2", title: "Account Management", objectives: &[
        Objective { id: "ac-2_obj.a-1", label: "AC-02a.[01]", coverage: Coverage::Partial,
            prose: "account types allowed for use within the system are defined and documented;" },
        Objective { id: "ac-2_obj.a-2", label: "AC-02a.[02]", coverage: Coverage::Partial,
            prose: "account types specifically prohibited for use within the system are defined and documented;" },
        Objective { id: "ac-2_obj.b", label: "AC-02b.", coverage: Coverage::Partial,
            prose: "account managers are assigned;" },
        Objective { id: "ac-2_obj.c", label: "AC-02c.", coverage: Coverage::Partial,
            prose: "[prerequisites and criteria] for group and role membership are required;" },
        Objective { id: "ac-2_obj.d.1", label: "AC-02d.01", coverage: Coverage::Full,
            prose: "authorized users of the system are specified;" },
        Objective { id: "ac-2_obj.d.2", label: "AC-02d.02", coverage: Coverage::Full,
            prose: "group and role membership are specified;" },
        Objective { id: "ac-2_obj.d.3-1", label: "AC-02d.03[01]", coverage: Coverage::Full,
            prose: "access authorizations (i.e., privileges) are specified for each account;" },
        Objective { id: "ac-2_obj.d.3-2", label: "AC-02d.03[02]", coverage: Coverage::Full,
            prose: "[attributes (as required)] are specified for each account;" },
        Objective { id: "ac-2_obj.e", label: "AC-02e.", coverage: Coverage::Partial,
            prose: "approvals are required by [personnel or roles] for requests to create accounts;" },
        Objective { id: "ac-2_obj.f-1", label: "AC-02f.[01]", coverage: Coverage::Partial,
            prose: "accounts are created in accordance with [policy, procedures, prerequisites, and criteria];" },
        Objective { id: "ac-2_obj.f-2", label: "AC-02f.[02]", coverage: Coverage::Partial,
            prose: "accounts are enabled in accordance with [policy, procedures, prerequisites, and criteria];" },
        Objective { id: "ac-2_obj.f-3", label: "AC-02f.[03]", coverage: Coverage::Partial,
            prose: "accounts are modified in accordance with [policy, procedures, prerequisites, and criteria];" },
        Objective { id: "ac-2_obj.f-4", label: "AC-02f.[04]", coverage: Coverage::Partial,
            prose: "accounts are disabled in accordance with [policy, procedures, prerequisites, and criteria];" },
        Objective { id: "ac-2_obj.f-5", label: "AC-02f.[05]", coverage: Coverage::Partial,
            prose: "accounts are removed in accordance with [policy, procedures, prerequisites, and criteria];" },
        Objective { id: "ac-2_obj.g", label: "AC-02g.", coverage: Coverage::Full,
            prose: "the use of accounts is monitored;" },
        Objective { id: "ac-2_obj.h.1", label: "AC-02h.01", coverage: Coverage::Partial,
            prose: "account managers and [personnel or roles] are notified within [time period] when accounts are no longer required;" },
        Objective { id: "ac-2_obj.h.2", label: "AC-02h.02", coverage: Coverage::Partial,
            prose: "account managers and [personnel or roles] are notified within [time period] when users are terminated or transferred;" },
        Objective { id: "ac-2_obj.h.3", label: "AC-02h.03", coverage: Coverage::Partial,
            prose: "account managers and [personnel or roles] are notified within [time period] when system usage or the need to know changes for an individual;" },
        Objective { id: "ac-2_obj.i.1", label: "AC-02i.01", coverage: Coverage::Full,
            prose: "access to the system is authorized based on a valid access authorization;" },
        Objective { id: "ac-2_obj.i.2", label: "AC-02i.02", coverage: Coverage::Full,
            prose: "access to the system is authorized based on intended system usage;" },
        Objective { id: "ac-2_obj.i.3", label: "AC-02i.03", coverage: Coverage::Full,
            prose: "access to the system is authorized based on [attributes (as required)];" },
        Objective { id: "ac-2_obj.j", label: "AC-02j.", coverage: Coverage::Partial,
            prose: "accounts are reviewed for compliance with account management requirements [frequency];" },
        Objective { id: "ac-2_obj.k-1", label: "AC-02k.[01]", coverage: Coverage::Partial,
            prose: "a process is established for changing shared or group account authenticators (if deployed) when individuals are removed from the group;" },
        Objective { id: "ac-2_obj.k-2", label: "AC-02k.[02]", coverage: Coverage::Partial,
            prose: "a process is implemented for changing shared or group account authenticators (if deployed) when individuals are removed from the group;" },
        Objective { id: "ac-2_obj.l-1", label: "AC-02l.[01]", coverage: Coverage::Partial,
            prose: "account management processes are aligned with personnel termination processes;" },
        Objective { id: "ac-2_obj.l-2", label: "AC-02l.[02]", coverage: Coverage::Partial,
            prose: "account management processes are aligned with personnel transfer processes." },
    ] },
    Control { id: "ac-6", title: "Least Privilege", objectives: &[
        Objective { id: "ac-6_obj", label: "AC-06", coverage: Coverage::Partial,
            prose: "the principle of least privilege is employed, allowing only authorized accesses for users (or processes acting on behalf of users) that are necessary to accomplish assigned organizational tasks." },
    ] },
    Control { id: "au-2", title: "Event Logging", objectives: &[
        Objective { id: "au-2_obj.a", label: "AU-02a.", coverage: Coverage::Full,
            prose: "[event types] that the system is capable of logging are identified in support of the audit logging function;" },
        Objective { id: "au-2_obj.b", label: "AU-02b.", coverage: Coverage::None,
            prose: "the event logging function is coordinated with other organizational entities requiring audit-related information to guide and inform the selection criteria for events to be logged;" },
        Objective { id: "au-2_obj.c-1", label: "AU-02c.[01]", coverage: Coverage::Full,
            prose: "[event types (subset of AU-02_ODP[01])] are specified for logging within the system;" },
        Objective { id: "au-2_obj.c-2", label: "AU-02c.[02]", coverage: Coverage::Full,
            prose: "the specified event types are logged within the system [frequency or situation];" },
        Objective { id: "au-2_obj.d", label: "AU-02d.", coverage: Coverage::Partial,
            prose: "a rationale is provided for why the event types selected for logging are deemed to be adequate to support after-the-fact investigations of incidents;" },
        Objective { id: "au-2_obj.e", label: "AU-02e.", coverage: Coverage::Partial,
            prose: "the event types selected for logging are reviewed and updated [frequency]." },
    ] },
    Control { id: "au-12", title: "Audit Record Generation", objectives: &[
        Objective { id: "au-12_obj.a", label: "AU-12a.", coverage: Coverage::Full,
            prose: "audit record generation capability for the event types the system is capable of auditing (defined in AU-02_ODP[01]) is provided by [system components];" },
        Objective { id: "au-12_obj.b", label: "AU-12b.", coverage: Coverage::Full,
            prose: "[personnel or roles] is/are allowed to select the event types that are to be logged by specific components of the system;" },
        Objective { id: "au-12_obj.c", label: "AU-12c.", coverage: Coverage::Full,
            prose: "audit records for the event types defined in AU-02_ODP[02] that include the audit record content defined in AU-03 are generated." },
    ] },
];
