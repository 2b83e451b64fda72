//! What a capture holds besides its frames.

/// How much console text is kept, in bytes; the rest is only counted.
pub const CONSOLE_KEPT: usize = 64 * 1024;

/// What a capture held, apart from the frames themselves.
///
/// `recovered + lost` is the number of frames that the boot sent, as far as its end was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes read.
    pub bytes: u64,
    /// Frames that arrived intact, each counted once.
    pub recovered: u64,
    /// Frames whose numbers are missing before the highest that was seen.
    pub lost: u64,
    /// Frames whose number had come already, or an earlier one after a later; not handed out.
    pub repeated: u64,
    /// Frames after the goodbye, repeated ones too; they belong to no measurement of the boot.
    pub behind_end: u64,
    /// Pieces between frames that are neither a frame nor text.
    pub broken: u64,
    /// Frames that arrived intact but are of a kind that this version does not know; part of
    /// `recovered`, not handed out.
    pub unknown: u64,
    /// The first [`CONSOLE_KEPT`] bytes of the text that is no frame: firmware, a boot loader.
    pub console: String,
    /// Bytes of such text in all.
    pub console_bytes: u64,
    /// True where the boot's `Goodbye` arrived.
    pub ended: bool,
    /// Why the boot ended early, in the kernel's words.
    pub error: Option<String>,
    /// True where a second boot begins in the same capture: the machine restarted by itself. Its
    /// frames are not handed out.
    pub restarted: bool,
    /// Stamps that the kernel could not keep; those of double starts.
    pub stamps_dropped: u32,
}

impl Summary {
    /// True where the capture stops before the boot did: neither a goodbye nor an error came.
    pub fn cut(&self) -> bool {
        !self.ended && self.error.is_none()
    }

    /// True where everything that the boot sent arrived.
    pub fn is_whole(&self) -> bool {
        let damaged = self.lost + self.broken + self.repeated + self.behind_end > 0;
        !self.cut() && !damaged && !self.restarted
    }
}
