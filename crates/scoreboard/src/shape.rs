//! How large a board is.

use crate::error::Error;
use crate::layout::{Geometry, MAX_SLOTS, SLOT_SIZES, size_for};

/// How many slots a board has, and how much text fits into one.
///
/// ```
/// use scoreboard::Shape;
///
/// let shape = Shape::new(150).text_capacity(1000);
/// assert_eq!(shape.slots(), 150);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    slots: u32,
    capacity: u32,
}

impl Shape {
    /// So many slots, 1 to 1,048,576, with room for 440 bytes of text each: 1 KiB a slot.
    #[must_use]
    pub fn new(slots: u32) -> Shape {
        Shape { slots, capacity: 440 }
    }

    /// Room for at least so many bytes of text in each slot, up to 32,696. A slot takes the next
    /// power of two from 1 KiB that has room for two texts.
    #[must_use]
    pub fn text_capacity(self, bytes: u32) -> Shape {
        Shape { capacity: bytes, ..self }
    }

    /// How many slots.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    pub(crate) fn geometry(&self) -> Result<Geometry, Error> {
        let most = || {
            let largest = Geometry::new(*SLOT_SIZES.end() as u64, 0, 1);
            largest.map_or(0, |geometry| geometry.capacity())
        };
        let size = size_for(self.capacity).ok_or_else(|| Error::capacity(self.capacity, most()))?;
        Geometry::new(size as u64, 0, self.slots.into())
            .filter(|_| self.slots <= MAX_SLOTS)
            .ok_or_else(|| Error::slots(self.slots))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told() {
        let told = |shape: Shape| shape.geometry().unwrap_err().to_string();
        assert_eq!(told(Shape::new(0)), "a board of 0 slots: it can have 1 to 1048576");
        assert_eq!(
            told(Shape::new(u32::MAX)),
            "a board of 4294967295 slots: it can have 1 to 1048576"
        );
        let long = Shape::new(1).text_capacity(32_697);
        assert_eq!(told(long), "room for 32697 bytes of text: a slot has at most 32696");
        for (wanted, size) in [(0, 1024), (440, 1024), (441, 2048), (952, 2048), (32_696, 65_536)] {
            let geometry = Shape::new(1).text_capacity(wanted).geometry().unwrap();
            assert_eq!(geometry.slot_size(), size, "{wanted}");
        }
    }
}
