//! Tracks, slices and moments as Perfetto's packets, written one by one.

use super::message::{
    BY_RANK, DebugAnnotation, EventType, InternedData, NEEDS_STATE, Name, ProcessDescriptor,
    STATE_CLEARED, TracePacket, TrackDescriptor, TrackEvent,
};
use std::collections::HashMap;
use std::io::{self, Write};

/// All packets are of one sequence.
const SEQUENCE: u32 = 1;

/// What an event says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// True where few other events have that name: then it is not kept to be referred to.
    pub rare: bool,
    /// Its category.
    pub category: &'static str,
    /// Numbers beside it, by name.
    pub numbers: Vec<(&'static str, u64)>,
    /// Arrows that leave here.
    pub leaving: Vec<u64>,
    /// Arrows that end here.
    pub arriving: Vec<u64>,
}

impl Label {
    /// A name and a category alone.
    pub fn new(category: &'static str, name: impl Into<String>) -> Label {
        Label { name: name.into(), category, ..Label::default() }
    }

    /// The same for a name that few other events have.
    pub fn rare(category: &'static str, name: String) -> Label {
        Label { rare: true, ..Label::new(category, name) }
    }

    /// The same with a number beside it.
    pub fn with(mut self, name: &'static str, number: u64) -> Label {
        self.numbers.push((name, number));
        self
    }
}

/// Writes packets.
pub struct Packets<'a> {
    output: &'a mut dyn Write,
    buffer: Vec<u8>,
    begun: bool,
    names: Interned,
    categories: Interned,
    number_names: Interned,
}

impl<'a> Packets<'a> {
    /// Begins a trace.
    pub fn begin(output: &'a mut dyn Write) -> Packets<'a> {
        Packets {
            output,
            buffer: Vec::new(),
            begun: false,
            names: Interned::default(),
            categories: Interned::default(),
            number_names: Interned::default(),
        }
    }

    /// A process, which the tracks of one cell belong to.
    pub fn process(&mut self, uuid: u64, pid: i32, name: String) -> io::Result<()> {
        self.track(TrackDescriptor {
            uuid: Some(uuid),
            process: Some(ProcessDescriptor { pid: Some(pid), process_name: Some(name) }),
            child_ordering: Some(BY_RANK),
            ..TrackDescriptor::default()
        })
    }

    /// A track of a process, in its place among the others.
    pub fn row(&mut self, uuid: u64, process: u64, rank: i32, name: String) -> io::Result<()> {
        self.track(TrackDescriptor {
            uuid: Some(uuid),
            parent_uuid: Some(process),
            sibling_order_rank: Some(rank),
            name: Some(name),
            ..TrackDescriptor::default()
        })
    }

    fn track(&mut self, descriptor: TrackDescriptor) -> io::Result<()> {
        self.put(TracePacket { track_descriptor: Some(descriptor), ..TracePacket::default() })
    }

    /// A slice begins.
    pub fn open(&mut self, track: u64, ns: u64, label: &Label) -> io::Result<()> {
        self.event(EventType::SliceBegin, track, ns, label)
    }

    /// The innermost slice of the track ends.
    pub fn close(&mut self, track: u64, ns: u64) -> io::Result<()> {
        let event = TrackEvent {
            r#type: Some(EventType::SliceEnd.into()),
            track_uuid: Some(track),
            ..TrackEvent::default()
        };
        self.put(TracePacket {
            timestamp: Some(ns),
            track_event: Some(event),
            ..TracePacket::default()
        })
    }

    /// A moment.
    pub fn moment(&mut self, track: u64, ns: u64, label: &Label) -> io::Result<()> {
        self.event(EventType::Instant, track, ns, label)
    }

    fn event(&mut self, kind: EventType, track: u64, ns: u64, label: &Label) -> io::Result<()> {
        let numbers = label.numbers.iter().map(|(name, number)| DebugAnnotation {
            name_iid: Some(self.number_names.number_of(name)),
            uint_value: Some(*number),
        });
        let event = TrackEvent {
            category_iids: vec![self.categories.number_of(label.category)],
            debug_annotations: numbers.collect(),
            r#type: Some(kind.into()),
            name_iid: (!label.rare).then(|| self.names.number_of(&label.name)),
            name: label.rare.then(|| label.name.clone()),
            track_uuid: Some(track),
            flow_ids: label.leaving.clone(),
            terminating_flow_ids: label.arriving.clone(),
        };
        let names = InternedData {
            event_categories: self.categories.fresh(),
            event_names: self.names.fresh(),
            debug_annotation_names: self.number_names.fresh(),
        };
        self.put(TracePacket {
            timestamp: Some(ns),
            track_event: Some(event),
            interned_data: (names != InternedData::default()).then_some(names),
            ..TracePacket::default()
        })
    }

    fn put(&mut self, mut packet: TracePacket) -> io::Result<()> {
        packet.trusted_packet_sequence_id = Some(SEQUENCE);
        packet.sequence_flags = Some(if self.begun { NEEDS_STATE } else { STATE_CLEARED });
        self.begun = true;
        self.buffer.clear();
        prost::encoding::message::encode(1, &packet, &mut self.buffer);
        self.output.write_all(&self.buffer)
    }

    /// Writes what is left.
    pub fn finish(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Names that were sent, each with the number that stands for it.
#[derive(Default)]
struct Interned {
    known: HashMap<String, u64>,
    fresh: Vec<Name>,
}

impl Interned {
    fn number_of(&mut self, name: &str) -> u64 {
        if let Some(iid) = self.known.get(name) {
            return *iid;
        }
        let iid = self.known.len() as u64 + 1;
        self.known.insert(name.to_owned(), iid);
        self.fresh.push(Name { iid: Some(iid), name: Some(name.to_owned()) });
        iid
    }

    /// Those that were not sent yet.
    fn fresh(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.fresh)
    }
}
