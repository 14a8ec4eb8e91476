//! `rlimit_*=`: resource limits, named as setrlimit(2) names them.

use reaper::{Limit, Resource};

use super::{python, value};

/// Every resource, its name in a key, and whether it counts bytes (then KB, MB and GB are
/// understood).
const RESOURCES: [(&str, Resource, bool); 14] = [
    ("as", Resource::AddressSpace, true),
    ("core", Resource::Core, true),
    ("cpu", Resource::Cpu, false),
    ("data", Resource::Data, true),
    ("fsize", Resource::FileSize, true),
    ("memlock", Resource::LockedMemory, true),
    ("msgqueue", Resource::MessageQueues, true),
    ("nice", Resource::Nice, false),
    ("nofile", Resource::OpenFiles, false),
    ("nproc", Resource::Processes, false),
    ("rtprio", Resource::RealTimePriority, false),
    ("rttime", Resource::RealTimeCpu, false),
    ("sigpending", Resource::PendingSignals, false),
    ("stack", Resource::Stack, true),
];

/// What the keys begin with.
pub(super) const PREFIX: &str = "rlimit_";

/// All keys, with their resources, in the order of the alphabet.
pub(super) fn keys() -> impl Iterator<Item = (String, Resource)> {
    RESOURCES.iter().map(|(name, resource, _)| (format!("{PREFIX}{name}"), *resource))
}

/// The key of a resource.
pub(super) fn key(resource: Resource) -> String {
    let name = RESOURCES.iter().find(|(_, known, _)| *known == resource);
    format!("{PREFIX}{}", name.map_or("", |(name, _, _)| name))
}

/// Reads `soft:hard` or one value for both; `unlimited` is one.
///
/// # Errors
///
/// Neither numbers nor `unlimited`, or more soft than hard.
pub(super) fn limit(resource: Resource, text: &str) -> Result<Limit, String> {
    let wrong = || {
        let key = key(resource);
        format!(
            "invalid '{key}' value {}: give soft:hard or one limit for both, each a number or 'unlimited'",
            python::repr(text)
        )
    };
    let bytes = RESOURCES.iter().any(|(_, known, bytes)| *known == resource && *bytes);
    let side = |text: &str| -> Result<Option<u64>, String> {
        if matches!(text.to_ascii_lowercase().as_str(), "unlimited" | "infinity") {
            return Ok(None);
        }
        let number = if bytes { value::byte_size(text) } else { value::integer(text) };
        number.ok().and_then(|number| u64::try_from(number).ok()).map(Some).ok_or_else(wrong)
    };
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let (soft, hard) = (side(soft.trim())?, side(hard.trim())?);
    if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
        return Err(format!(
            "invalid '{}' value {}: the soft limit is above the hard one",
            key(resource),
            python::repr(text)
        ));
    }
    Ok(Limit { soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_pairs_or_one_for_both() {
        for (resource, text, soft, hard) in [
            (Resource::OpenFiles, "1024:4096", Some(1024), Some(4096)),
            (Resource::OpenFiles, " 64 ", Some(64), Some(64)),
            (Resource::Core, "0:unlimited", Some(0), None),
            (Resource::Core, "Unlimited", None, None),
            (Resource::Stack, "8MB : infinity", Some(8 << 20), None),
        ] {
            assert_eq!(limit(resource, text), Ok(Limit { soft, hard }), "{text}");
        }
    }

    #[test]
    fn what_is_no_limit() {
        for text in ["", ":", "1:", ":1", "-1", "1:2:3", "x", "1MB", "unlimited:1", "2:1"] {
            let error = limit(Resource::OpenFiles, text).unwrap_err();
            assert!(error.starts_with("invalid 'rlimit_nofile' value '"), "{error}");
        }
    }

    #[test]
    fn every_resource_has_a_key_of_its_own() {
        let mut names: Vec<String> = keys().map(|(name, _)| name).collect();
        assert!(keys().all(|(name, resource)| key(resource) == name));
        names.dedup();
        assert_eq!(names.len(), 14);
    }
}
