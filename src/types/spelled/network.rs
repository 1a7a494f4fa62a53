//! inet, cidr and macaddr: addresses of hosts and networks. Values compare by family, then by the bits that both networks
//! have, then by how many those are, then by the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::types::binary::Reader;
use crate::types::parse::invalid_syntax;

/// An address, and how many of its first bits name the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    pub address: IpAddr,
    pub bits: u8,
}

impl Address {
    /// Reads an address of a host or a network.
    pub fn read(text: &str, is_network: bool) -> Result<Address> {
        let type_name = if is_network { "cidr" } else { "inet" };
        let invalid = || invalid_syntax(type_name, text);
        let (host, bits) = match text.split_once('/') {
            Some((host, bits)) => (host, Some(bits)),
            None => (text, None),
        };
        let (address, implied) = match host.parse() {
            Ok(address) => (address, None),
            Err(_) => shortened(host, bits.is_some() || is_network)
                .map(|(address, implied)| (IpAddr::V4(address), Some(implied)))
                .ok_or_else(invalid)?,
        };
        let bits = match bits {
            Some(bits) if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) => return Err(invalid()),
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= width(address))
                .ok_or_else(invalid)?,
            None => match implied {
                Some(implied) if is_network => implied,
                _ => width(address),
            },
        };
        let read = Address { address, bits };
        if is_network && read.network() != read {
            let message = format!("invalid cidr value: \"{text}\"");
            return Err(Error::new(SqlState::InvalidTextRepresentation, message)
                .with_detail("Value has bits set to right of mask."));
        }
        Ok(read)
    }

    /// The spelling that values are carried in: of a host alone there is no mask, of a network there always is.
    pub fn spelling(self, is_network: bool) -> String {
        match is_network || self.bits < width(self.address) {
            true => format!("{}/{}", host_text(self.address), self.bits),
            false => host_text(self.address),
        }
    }

    /// How many bits an address of the family has.
    pub fn width(self) -> u8 {
        width(self.address)
    }

    /// The address as a number, at the upper end of its bits.
    fn number(self) -> u128 {
        match self.address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn with_number(self, number: u128) -> Address {
        let address = match self.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits((number >> 96) as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
        };
        Address { address, ..self }
    }

    /// The bits of a number that name the network.
    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0)
    }

    /// The address with zeros behind the network's bits.
    pub fn network(self) -> Address {
        self.with_number(self.number() & self.mask())
    }

    /// The address with ones behind the network's bits.
    pub fn broadcast(self) -> Address {
        self.with_number(self.number() | !self.mask())
    }

    /// The mask of the network as an address.
    pub fn netmask(self) -> Address {
        let mask = self.with_number(self.mask());
        Address {
            bits: self.width(),
            ..mask
        }
    }

    /// The opposite of the mask.
    pub fn hostmask(self) -> Address {
        let mask = self.with_number(!self.mask());
        Address {
            bits: self.width(),
            ..mask
        }
    }

    /// The same address in a network of so many bits.
    pub fn with_bits(self, bits: i64) -> Result<Address> {
        let bits = if bits == -1 { i64::from(self.width()) } else { bits };
        match u8::try_from(bits) {
            Ok(bits) if bits <= self.width() => Ok(Address { bits, ..self }),
            _ => Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("invalid mask length: {bits}"),
            )),
        }
    }

    fn is_of_family(self, other: Address) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
    }

    /// Whether this network holds the other, or is the same.
    pub fn contains(self, other: Address) -> bool {
        self.is_of_family(other) && self.bits <= other.bits && self.overlaps(other)
    }

    /// Whether one of the two holds the other.
    pub fn overlaps(self, other: Address) -> bool {
        let common = self.mask() & other.mask();
        self.is_of_family(other) && self.number() & common == other.number() & common
    }

    /// The address so many further; 22003 past the family's ends.
    pub fn plus(self, distance: i128) -> Result<Address> {
        let out_of_range = || Error::new(SqlState::NumericValueOutOfRange, "result is out of range");
        let shift = 128 - u32::from(self.width());
        let last = u128::MAX >> shift;
        let moved = (self.number() >> shift).checked_add_signed(distance);
        let moved = moved.filter(|moved| *moved <= last).ok_or_else(out_of_range)?;
        Ok(self.with_number(moved << shift))
    }

    /// How many addresses further this one is.
    pub fn minus(self, other: Address) -> Result<i64> {
        if !self.is_of_family(other) {
            let message = "cannot subtract inet values of different sizes";
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        let shift = 128 - u32::from(self.width());
        let (left, right) = (self.number() >> shift, other.number() >> shift);
        let distance = match left >= right {
            true => i64::try_from(left - right).ok(),
            false => i64::try_from(right - left).ok().map(|distance| -distance),
        };
        distance.ok_or_else(|| Error::new(SqlState::NumericValueOutOfRange, "result is out of range"))
    }

    /// The bits of both addresses, combined one by one; the longer mask of the two.
    pub fn combined(self, other: Address, name: &str, combine: fn(u128, u128) -> u128) -> Result<Address> {
        if !self.is_of_family(other) {
            let message = format!("cannot {name} inet values of different sizes");
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        let combined = self.with_number(combine(self.number(), other.number()));
        Ok(Address {
            bits: self.bits.max(other.bits),
            ..combined
        })
    }

    /// The address with every bit turned round.
    pub fn inverted(self) -> Address {
        self.with_number(!self.number())
    }

    /// The smallest network that holds both.
    pub fn merge(self, other: Address) -> Result<Address> {
        if !self.is_of_family(other) {
            let message = "cannot merge addresses from different families";
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        let common = (self.number() ^ other.number()).leading_zeros() as u8;
        let bits = common.min(self.bits).min(other.bits);
        Ok(Address { bits, ..self }.network())
    }

    /// Reads the binary format: family, bits, whether it is a network, length, the address.
    pub fn receive(bytes: &[u8], is_network: bool) -> Result<Address> {
        let type_name = if is_network { "cidr" } else { "inet" };
        let invalid = |what: &str| {
            let message = format!("invalid {what} in external \"{type_name}\" value");
            Error::new(SqlState::InvalidBinaryRepresentation, message)
        };
        let mut reader = Reader::new(bytes);
        let [family, bits, _, length] = reader.take()?;
        let address = match (family, length) {
            (IPV4, 4) => IpAddr::from(reader.take::<4>()?),
            (IPV6, 16) => IpAddr::from(reader.take::<16>()?),
            (IPV4 | IPV6, _) => return Err(invalid("length")),
            _ => return Err(invalid("address family")),
        };
        reader.end()?;
        let read = Address { address, bits };
        if bits > width(address) {
            return Err(invalid("bits"));
        }
        match is_network && read.network() != read {
            true => Err(invalid("value").with_detail("Value has bits set to right of mask.")),
            false => Ok(read),
        }
    }

    /// Appends the binary format.
    pub fn send(self, is_network: bool, out: &mut BytesMut) {
        let mut head = |family: u8| out.extend_from_slice(&[family, self.bits, u8::from(is_network), self.width() / 8]);
        match self.address {
            IpAddr::V4(address) => {
                head(IPV4);
                out.put_u32(address.to_bits());
            }
            IpAddr::V6(address) => {
                head(IPV6);
                out.put_u128(address.to_bits());
            }
        }
    }

    /// Appends bytes that sort as the values do: each bit of the network behind a one, so that the end of a network
    /// comes before what is in it.
    pub fn order_key(self, out: &mut Vec<u8>) {
        out.push(u8::from(self.address.is_ipv6()));
        let number = self.number();
        // Comparing common bits, then lengths, is comparing texts of bits whose ends come first.
        out.extend((0..self.bits).map(|place| if number >> (127 - place) & 1 == 1 { 2 } else { 1 }));
        out.push(0);
        out.extend(number.to_be_bytes());
    }
}

const IPV4: u8 = 2;
const IPV6: u8 = 3;

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// An address without its mask, IPv4 in IPv6 with points as in PostgreSQL.
pub fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V6(address) if address.segments()[..6] == [0; 6] && address.to_bits() >> 16 != 0 => {
            format!("::{}", Ipv4Addr::from_bits(address.to_bits() as u32))
        }
        address => address.to_string(),
    }
}

/// `10.1` of a network: the bytes that follow are zero, and the mask is that of the old classes, or of what is written.
fn shortened(text: &str, is_network: bool) -> Option<(Ipv4Addr, u8)> {
    let parts: Vec<u8> = text
        .split('.')
        .map(|part| {
            part.parse()
                .ok()
                .filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .collect::<Option<_>>()?;
    if !is_network || parts.len() > 4 {
        return None;
    }
    let mut octets = [0; 4];
    octets[..parts.len()].copy_from_slice(&parts);
    let of_class = match octets[0] {
        240.. => 32,
        224.. => 8,
        192.. => 24,
        128.. => 16,
        _ => 8,
    };
    let written = parts.len() as u8 * 8;
    Some((Ipv4Addr::from(octets), written.max(of_class)))
}

/// Reads a hardware address in any of PostgreSQL's spellings and answers the canonical one.
pub fn read_macaddr(text: &str) -> Result<String> {
    let invalid = || invalid_syntax("macaddr", text);
    let trimmed = text.trim();
    let separators: String = trimmed
        .chars()
        .filter(|character| !character.is_ascii_hexdigit())
        .collect();
    let groups: Vec<&str> = trimmed.split([':', '-', '.']).collect();
    let digits: String = match (separators.as_str(), groups.as_slice()) {
        (":::::" | "-----", groups) if groups.iter().all(|group| (1..=2).contains(&group.len())) => {
            groups.iter().map(|group| format!("{group:0>2}")).collect()
        }
        (":" | "-", [first, second]) if first.len() == 6 && second.len() == 6 => groups.concat(),
        (".." | "--", groups) if groups.iter().all(|group| group.len() == 4) => groups.concat(),
        ("", [only]) if only.len() == 12 => only.to_string(),
        _ => return Err(invalid()),
    };
    let value = u64::from_str_radix(&digits, 16).map_err(|_| invalid())?;
    Ok(macaddr_text(value))
}

/// The canonical spelling of a hardware address.
pub fn macaddr_text(value: u64) -> String {
    let bytes: Vec<String> = value.to_be_bytes()[2..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    bytes.join(":")
}

/// The 48 bits of a hardware address in its canonical spelling.
pub fn macaddr_bits(spelling: &str) -> Result<u64> {
    let digits: String = spelling.chars().filter(|character| *character != ':').collect();
    u64::from_str_radix(&digits, 16).map_err(|_| invalid_syntax("macaddr", spelling))
}

/// The canonical spelling of the six bytes of the binary format.
pub fn receive_macaddr(bytes: &[u8]) -> Result<String> {
    let mut reader = Reader::new(bytes);
    let [a, b, c, d, e, f] = reader.take()?;
    reader.end()?;
    Ok(macaddr_text(u64::from_be_bytes([0, 0, a, b, c, d, e, f])))
}

/// Appends the binary format of a hardware address.
pub fn send_macaddr(spelling: &str, out: &mut BytesMut) -> Result<()> {
    out.extend_from_slice(&macaddr_bits(spelling)?.to_be_bytes()[2..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(text: &str) -> Address {
        Address::read(text, false).unwrap()
    }

    #[test]
    fn addresses_take_their_canonical_form() {
        for (text, is_network, expected) in [
            ("192.168.1.5/24", false, "192.168.1.5/24"),
            ("192.168.1.5", false, "192.168.1.5"),
            ("192.168.1.5/32", false, "192.168.1.5"),
            ("10", true, "10.0.0.0/8"),
            ("128.1", true, "128.1.0.0/16"),
            ("192.168.1", true, "192.168.1.0/24"),
            ("10.1.2.3/32", true, "10.1.2.3/32"),
            ("2001:4F8:3:ba::/64", true, "2001:4f8:3:ba::/64"),
            ("::ffff:1.2.3.0/120", true, "::ffff:1.2.3.0/120"),
            ("::1", false, "::1"),
        ] {
            assert_eq!(
                Address::read(text, is_network).unwrap().spelling(is_network),
                expected,
                "{text}"
            );
        }
        for text in ["192.168.1.256", "192.168.1.5/33", "1.2.3", "x", "", "1.2.3.4/"] {
            assert!(Address::read(text, false).is_err(), "{text}");
        }
        assert!(Address::read("192.168.1.5/24", true).is_err());
    }

    #[test]
    fn keys_sort_as_addresses_do() {
        let mut addresses: Vec<Address> = [
            "10.0.0.0/8",
            "10.0.0.1",
            "10.0.0.0/9",
            "10.0.0.0",
            "10.1.2.3/8",
            "9.255.255.255",
            "::1",
            "::/0",
            "255.255.255.255",
            "0.0.0.0/0",
        ]
        .iter()
        .map(|text| inet(text))
        .collect();
        let key = |address: &Address| {
            let mut key = vec![];
            address.order_key(&mut key);
            key
        };
        let compare = |left: &Address, right: &Address| {
            let common = left.mask() & right.mask();
            let family = left.address.is_ipv6().cmp(&right.address.is_ipv6());
            let network = (left.number() & common).cmp(&(right.number() & common));
            let bits = left.bits.cmp(&right.bits);
            family.then(network).then(bits).then(left.number().cmp(&right.number()))
        };
        let mut by_key = addresses.clone();
        addresses.sort_by(compare);
        by_key.sort_by_key(key);
        assert_eq!(addresses, by_key);
    }

    #[test]
    fn hardware_addresses_are_read() {
        for text in [
            "08:00:2b:01:02:03",
            "08-00-2B-01-02-03",
            "08002b:010203",
            "08002b-010203",
            "0800.2b01.0203",
            "0800-2b01-0203",
            "08002b010203",
        ] {
            assert_eq!(read_macaddr(text).unwrap(), "08:00:2b:01:02:03", "{text}");
        }
        assert!(read_macaddr("08:00:2b:01:02").is_err());
    }

    #[test]
    fn the_binary_form_comes_back() {
        for text in ["192.168.1.5/24", "2001:4f8:3:ba::1"] {
            let mut sent = BytesMut::new();
            inet(text).send(false, &mut sent);
            assert_eq!(Address::receive(&sent, false).unwrap(), inet(text));
        }
    }
}
