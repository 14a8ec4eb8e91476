//! `[eventlistener:x]`: what its pool asks for.

use super::model::Subscription;
use super::reader::Reader;
use super::value;
use crate::supervise::events::Kinds;

/// supervisord's own result handler, the only one there is here.
const HANDLER: &str = "supervisor.dispatchers:default_handler";

/// Reads the keys of the pool.
///
/// # Errors
///
/// A number that is none, a Python result handler, no events or unknown ones, or standard error in
/// the way of the protocol.
pub(super) fn subscription(reader: &Reader<'_>) -> Result<Subscription, String> {
    let section = &reader.section.name;
    let buffer_size = reader.get("buffer_size", 10, value::integer)?;
    if buffer_size < 1 {
        return Err(format!("[{section}] section sets invalid buffer_size ({buffer_size})"));
    }
    let result_handler = reader.text("result_handler")?.unwrap_or_else(|| HANDLER.to_owned());
    if result_handler != HANDLER {
        return Err(format!(
            "{result_handler} cannot be resolved within [{section}]: Python plugins cannot be \
             loaded; only {HANDLER} is known"
        ));
    }
    let mut events: Vec<String> = Vec::new();
    for name in value::list(&reader.text("events")?.unwrap_or_default()) {
        let name = name.to_uppercase();
        if !events.contains(&name) {
            events.push(name);
        }
    }
    if events.is_empty() {
        return Err(format!("[{section}] section requires an \"events\" line"));
    }
    if let Some(unknown) = events.iter().find(|name| Kinds::named(name).is_none()) {
        return Err(format!("Unknown event type {unknown} in [{section}] events"));
    }
    if reader.get("redirect_stderr", false, value::boolean)? {
        return Err(format!(
            "[{section}] section sets redirect_stderr=true but this is not allowed because it \
             will interfere with the eventlistener protocol"
        ));
    }
    Ok(Subscription { events, buffer_size, result_handler })
}
