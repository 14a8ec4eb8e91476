//! From a specification's host to addresses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};
use std::os::fd::AsFd;

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::spec::Host;

/// Looks a name or a written address up, IPv4 only, as gethostbyname(3) does: a name that has
/// IPv6 addresses only is not found.
pub(crate) fn ipv4(name: &str) -> io::Result<Vec<Ipv4Addr>> {
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Ok(vec![address]);
    }
    let mut found = Vec::new();
    for address in (name, 0u16).to_socket_addrs()? {
        if let SocketAddr::V4(address) = address {
            if !found.contains(address.ip()) {
                found.push(*address.ip());
            }
        }
    }
    Ok(found)
}

/// The one address to bind: the first that a name has.
pub(super) fn address(host: &Host, port: u16) -> io::Result<SocketAddr> {
    match host {
        Host::AnyV4 => Ok(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into()),
        Host::Name(name) => match ipv4(name)?.first() {
            Some(address) => Ok(SocketAddrV4::new(*address, port).into()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no IPv4 address of that name")),
        },
        Host::V6 { address, zone, .. } => {
            let scope = zone.as_deref().map_or(Ok(0), scope)?;
            Ok(SocketAddrV6::new(*address, port, 0, scope).into())
        }
    }
}

/// An interface's number, from its name or its decimal number.
pub(crate) fn scope(zone: &str) -> io::Result<u32> {
    if let Some(number) = crate::text::decimal(zone.as_bytes()) {
        return Ok(number);
    }
    // The ioctl wants some socket; which one does not matter.
    let any = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    name_to_index(any.as_fd(), zone).map_err(|error| {
        let error = io::Error::from(error);
        match error.raw_os_error() {
            Some(libc::ENODEV) => {
                io::Error::new(io::ErrorKind::NotFound, format!("no interface named {zone}"))
            }
            _ => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_addresses_and_names() {
        assert_eq!(ipv4("127.0.0.1").unwrap(), [Ipv4Addr::LOCALHOST]);
        assert!(ipv4("localhost").unwrap().contains(&Ipv4Addr::LOCALHOST));
        // Too long for a label, so no server is asked.
        assert!(ipv4(&"x".repeat(70)).is_err());
    }

    #[test]
    fn zones_are_names_or_numbers() {
        assert_eq!(scope("7").unwrap(), 7);
        assert!(scope("lo").unwrap() > 0);
        assert_eq!(
            scope("nosuchdevice").unwrap_err().to_string(),
            "no interface named nosuchdevice"
        );
    }
}
