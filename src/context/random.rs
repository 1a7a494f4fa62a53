//! The random numbers of a session: those of PostgreSQL's generator (xoroshiro128**), so that setseed() gives the numbers
//! that it gives there. Nothing that has to be secret comes from here.

/// A generator with its state.
#[derive(Debug)]
pub struct RandomNumbers {
    state: (u64, u64),
}

impl Default for RandomNumbers {
    /// Seeded by the system.
    fn default() -> RandomNumbers {
        RandomNumbers::from_states(rand::random(), rand::random())
    }
}

impl RandomNumbers {
    /// The numbers that follow from a seed between -1 and 1.
    pub fn seeded(seed: f64) -> RandomNumbers {
        const LARGEST: f64 = ((1_u64 << 52) - 1) as f64;
        let mut seed = (LARGEST * seed) as i64 as u64;
        RandomNumbers::from_states(split_mix(&mut seed), split_mix(&mut seed))
    }

    fn from_states(first: u64, second: u64) -> RandomNumbers {
        // A state of zeros would stay one.
        let state = match (first, second) {
            (0, 0) => (0x5851_F42D_4C95_7F2D, 0x1405_7B7E_F767_814F),
            state => state,
        };
        RandomNumbers { state }
    }

    fn next_bits(&mut self) -> u64 {
        let (first, second) = self.state;
        let mixed = second ^ first;
        self.state = (first.rotate_left(24) ^ mixed ^ (mixed << 16), mixed.rotate_left(37));
        first.wrapping_mul(5).rotate_left(7).wrapping_mul(9)
    }

    /// At least 0 and less than 1.
    pub fn next_fraction(&mut self) -> f64 {
        const FRACTIONS: f64 = (1_u64 << 52) as f64;
        (self.next_bits() >> 12) as f64 / FRACTIONS
    }

    /// From 0 to `largest`, each as likely.
    pub fn next_up_to(&mut self, largest: u64) -> u64 {
        if largest == 0 {
            return 0;
        }
        loop {
            let number = self.next_bits() >> largest.leading_zeros();
            if number <= largest {
                return number;
            }
        }
    }

    /// From 0 to `largest`, beyond 64 bits too.
    pub fn next_up_to_wide(&mut self, largest: u128) -> u128 {
        if let Ok(largest) = u64::try_from(largest) {
            return u128::from(self.next_up_to(largest));
        }
        loop {
            let bits = u128::from(self.next_bits()) << 64 | u128::from(self.next_bits());
            let number = bits >> largest.leading_zeros();
            if number <= largest {
                return number;
            }
        }
    }

    /// A number of the standard normal distribution, by Box and Muller.
    pub fn next_normal(&mut self) -> f64 {
        // Above zero, whose logarithm is none.
        let (first, second) = (1.0 - self.next_fraction(), 1.0 - self.next_fraction());
        (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).sin()
    }
}

/// Spreads a seed over a state's parts.
fn split_mix(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let numbers = |seed| {
            let mut numbers = RandomNumbers::seeded(seed);
            (0..50).map(|_| numbers.next_fraction()).collect::<Vec<f64>>()
        };
        assert_eq!(numbers(0.5), numbers(0.5));
        assert_ne!(numbers(0.5), numbers(0.25));
        assert!(numbers(0.0).iter().all(|number| (0.0..1.0).contains(number)));
    }

    #[test]
    fn ranges_are_kept_to() {
        let mut numbers = RandomNumbers::seeded(-1.0);
        assert!((0..100).all(|_| numbers.next_up_to(5) <= 5));
        assert!((0..100).all(|_| numbers.next_up_to_wide(1 << 70) <= 1 << 70));
        assert_eq!(numbers.next_up_to(0), 0);
    }
}
