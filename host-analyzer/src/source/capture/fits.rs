//! Where in damaged bytes a frame's checksum fits, in time that is linear in their number.
//!
//! Any byte can be the code of a COBS block, and so the begin of a frame; the blocks behind it are then
//! fixed: its chain. The CRC along every chain would take up to [`MAX_FRAME`] steps for each byte. But where
//! one chain meets another, both go on alike, so all chains are paths of trees, whose edges are the blocks.
//! And the CRC is linear: a register at a block, and the bytes behind it, add up to a register at the end of
//! all bytes. So two registers of each block are carried to that end: the one that a frame has before it, and the
//! one that a whole frame has behind it. A frame is where both are equal on one chain. A walk through the trees
//! keeps the ends of the chain that it is on in a hash table and looks every begin up in it.

use bringup::wire::MAX_FRAME;
use std::collections::HashMap;
use std::ops::Range;

/// CRC-32/ISO-HDLC: the polynomial without its highest power, x³². The highest bit is x⁰.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// x⁰.
const ONE: u32 = 1 << 31;

/// The register before a message.
const BEFORE: u32 = !0;

/// The register behind a message and its CRC.
const BEHIND: u32 = 0xdebb_20e3;

/// The code of a block that no zero stands behind.
const FULL: u8 = 0xff;

/// The least that can be a frame: number, discriminant, CRC.
pub(super) const LEAST_FRAME: usize = 1 + 1 + 4;

/// A place where a block can begin or end. "At the end" is at the end of all bytes.
#[derive(Clone)]
struct Node {
    /// True where a frame may begin.
    begins: bool,
    /// True where the chain of such a place goes through.
    reached: bool,
    /// What the bytes from here on make of a register of 0, at the end.
    bytes: u32,
    /// The same for the chain: codes are zeros, and behind full blocks they are not there.
    chain: u32,
    /// The power of x that the chain is shorter by than the bytes.
    shorter: u32,
    /// The register that a frame begins with here, at the end.
    before: u32,
    /// The register that a frame ends with here, at the end, but for the chain.
    behind: u32,
    /// A block that leads here, and the next that leads where this one does.
    child: Option<usize>,
    sibling: Option<usize>,
    /// The block whose end has the same register at the end as this one's, further along the chain.
    shadowed: Option<usize>,
}

impl Node {
    const UNKNOWN: Node = Node {
        begins: false,
        reached: false,
        bytes: 0,
        chain: 0,
        shorter: ONE,
        before: 0,
        behind: 0,
        child: None,
        sibling: None,
        shadowed: None,
    };
}

/// The ranges of `bytes`, which hold no zero, that unstuff to a message and its CRC: for each of the
/// `begins` the shortest, where there is one. In the order of `begins`, which is ascending.
pub(super) fn fits(bytes: &[u8], begins: &[usize]) -> Vec<Range<usize>> {
    if begins.is_empty() {
        return Vec::new();
    }
    let mut trees = Trees { bytes, nodes: vec![Node::UNKNOWN; bytes.len() + 1] };
    trees.reach(begins);
    trees.measure();
    let mut found = trees.walk();
    found.sort_unstable_by_key(|range| range.start);
    found
}

struct Trees<'b> {
    bytes: &'b [u8],
    /// One for each byte, and one for the end.
    nodes: Vec<Node>,
}

impl Trees<'_> {
    /// Where the block at this place ends; `None` where it is not whole.
    fn next(&self, at: usize) -> Option<usize> {
        let next = at + usize::from(*self.bytes.get(at)?);
        (next <= self.bytes.len()).then_some(next)
    }

    fn reach(&mut self, begins: &[usize]) {
        for at in begins {
            self.nodes[*at].begins = true;
            self.nodes[*at].reached = true;
        }
        for at in 0..self.bytes.len() {
            if self.nodes[at].reached
                && let Some(next) = self.next(at)
            {
                self.nodes[next].reached = true;
            }
        }
    }

    /// Takes every register to the end, from the last place to the first, and links the blocks.
    fn measure(&mut self) {
        let end = self.bytes.len();
        self.nodes[end].behind = BEHIND;
        // Where a block begins, the register has seen the zero that its code stands for.
        let (mut before, mut behind) = (BEFORE, BEHIND);
        let mut power = times_x8(POLYNOMIAL);
        for at in (0..end).rev() {
            let mut sum = self.nodes[at + 1].bytes;
            for bit in (0..8).rev() {
                sum ^= if self.bytes[at] >> bit & 1 == 1 { power } else { 0 };
                power = times_x(power);
            }
            self.nodes[at].bytes = sum;
            (before, behind) = (times_x8(before), times_x8(behind));
            if !self.nodes[at].reached {
                continue;
            }
            if let Some(next) = self.next(at) {
                let Node { bytes, chain, shorter, .. } = self.nodes[next];
                let shorter = if self.bytes[at] == FULL { over_x8(shorter) } else { shorter };
                let data = self.nodes[at + 1].bytes ^ bytes;
                self.nodes[at].chain = times(data, shorter) ^ chain;
                self.nodes[at].shorter = shorter;
                self.nodes[at].sibling = self.nodes[next].child.replace(at);
            }
            let node = &mut self.nodes[at];
            node.before = times(before, node.shorter) ^ node.chain;
            node.behind = times(behind, node.shorter);
        }
    }

    /// Looks up every begin among the ends of its chain.
    fn walk(&mut self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        // Of each register at the end the nearest block whose end has it.
        let mut ends: HashMap<u32, usize> = HashMap::new();
        let mut todo = Vec::new();
        for root in 0..=self.bytes.len() {
            if self.nodes[root].reached && self.next(root).is_none() {
                todo.extend(self.nodes[root].child.map(Step::Enter));
            }
            while let Some(step) = todo.pop() {
                match step {
                    Step::Enter(at) => {
                        todo.extend(self.nodes[at].sibling.map(Step::Enter));
                        todo.push(Step::Leave(at));
                        todo.extend(self.nodes[at].child.map(Step::Enter));
                        self.nodes[at].shadowed = ends.insert(self.register_behind(at), at);
                        if self.nodes[at].begins {
                            found.extend(self.shortest(at, ends.get(&self.nodes[at].before)));
                        }
                    }
                    Step::Leave(at) => {
                        let register = self.register_behind(at);
                        match self.nodes[at].shadowed {
                            Some(shadowed) => ends.insert(register, shadowed),
                            None => ends.remove(&register),
                        };
                    }
                }
            }
        }
        found
    }

    /// The register at the end of a frame whose last block is this one, at the end.
    fn register_behind(&self, at: usize) -> u32 {
        let next = &self.nodes[at + usize::from(self.bytes[at])];
        let behind = if self.bytes[at] == FULL { next.behind } else { times_x8(next.behind) };
        behind ^ next.chain
    }

    /// The shortest frame from a begin to one of the ends with its register, of which this block has the nearest.
    fn shortest(&self, begin: usize, nearest: Option<&usize>) -> Option<Range<usize>> {
        let mut block = *nearest?;
        loop {
            let end = block + usize::from(self.bytes[block]);
            if end - begin > LEAST_FRAME {
                // Behind a full last block, encoders may put an empty one.
                let empty = self.bytes[block] == FULL && self.bytes.get(end) == Some(&1);
                let end = end + usize::from(empty);
                return (end - begin < MAX_FRAME).then_some(begin..end);
            }
            block = self.nodes[block].shadowed?;
        }
    }
}

/// A step of the walk through the trees.
enum Step {
    Enter(usize),
    Leave(usize),
}

fn times_x(register: u32) -> u32 {
    register >> 1 ^ if register & 1 == 1 { POLYNOMIAL } else { 0 }
}

fn times_x8(register: u32) -> u32 {
    (0..8).fold(register, |register, _| times_x(register))
}

/// What `times_x8` makes this of.
fn over_x8(register: u32) -> u32 {
    let over_x = |register: u32| {
        if register & ONE == 0 { register << 1 } else { (register ^ POLYNOMIAL) << 1 | 1 }
    };
    (0..8).fold(register, |register, _| over_x(register))
}

fn times(register: u32, mut power: u32) -> u32 {
    if power == ONE {
        return register;
    }
    let (mut product, mut shifted) = (0, register);
    while power != 0 {
        product ^= if power & ONE == 0 { 0 } else { shifted };
        shifted = times_x(shifted);
        power <<= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use bringup::wire::CRC;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The same by the definition: along the chain, block by block.
    fn one_by_one(bytes: &[u8], begin: usize) -> Option<Range<usize>> {
        let bytes = &bytes[..bytes.len().min(begin + MAX_FRAME - 1)];
        let (mut digest, mut length, mut at) = (CRC.digest(), 0, begin);
        loop {
            let code = usize::from(*bytes.get(at)?);
            let data = bytes.get(at + 1..at + code)?;
            digest.update(data);
            length += data.len();
            at += code;
            if length >= LEAST_FRAME && digest.clone().finalize() == !BEHIND {
                let empty = code == 0xff && bytes.get(at) == Some(&1);
                return Some(begin..at + usize::from(empty));
            }
            if code < 0xff {
                digest.update(&[0]);
                length += 1;
            }
        }
    }

    fn stuffed(message: &[u8]) -> Vec<u8> {
        let mut bytes = message.to_vec();
        bytes.extend(CRC.checksum(message).to_le_bytes());
        cobs::encode_vec(&bytes)
    }

    fn equal_to_one_by_one(bytes: &[u8]) -> Result<(), TestCaseError> {
        let begins: Vec<usize> = (0..bytes.len()).collect();
        let expected: Vec<_> = begins.iter().filter_map(|at| one_by_one(bytes, *at)).collect();
        prop_assert_eq!(fits(bytes, &begins), expected);
        Ok(())
    }

    /// Pieces of noise with messages between and inside of them.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => 1u8..6, 1 => Just(0xff), 3 => 1u8..];
        let message =
            prop_oneof![vec(any::<u8>(), 2..40), vec(0u8..2, 2..900), vec(1u8.., 200..900),];
        let piece = prop_oneof![vec(byte, 1..300), message.prop_map(|message| stuffed(&message))];
        vec(piece, 1..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_fit_is_found_and_no_other(mut bytes in pieces()) {
            bytes.retain(|byte| *byte != 0);
            equal_to_one_by_one(&bytes)?;
        }
    }

    #[test]
    fn of_every_length_around_full_blocks_a_frame_is_found() {
        for length in (2..9).chain(247..254).chain(503..508).chain(3050..3060) {
            let mut bytes = vec![3, 9, 7];
            bytes.extend(stuffed(&vec![0x5a; length]));
            bytes.push(0x41);
            equal_to_one_by_one(&bytes).unwrap();
            let fit = fits(&bytes, &[3]);
            assert_eq!(fit.len(), usize::from(bytes.len() < 3 + MAX_FRAME + 1), "{length}");
        }
    }

    #[test]
    fn chains_of_full_blocks_have_their_own_length() {
        equal_to_one_by_one(&[0xff; 4000]).unwrap();
        let message: Vec<u8> = (0..2900).map(|at| (at % 254) as u8 + 1).collect();
        equal_to_one_by_one(&[&[0xff; 700][..], &stuffed(&message), &[0xff; 700]].concat())
            .unwrap();
    }
}
