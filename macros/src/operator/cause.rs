//! What an operator's handlers are called for, and where: which there are depends on the streams that it works on.

/// What a handler is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A record, to the method `on_event`.
    Event,
    /// A timer, to the method `on_timer`.
    Timer,
    /// A record that every subtask is sent, to the method `on_broadcast`.
    Broadcast,
    /// A record, to a function.
    Call,
    /// An advance of event time, to the method `on_watermark`.
    Watermark,
    /// The end of the input, to the method `on_end`.
    End,
    /// A restore, to the method `on_restore`.
    Restore,
}

/// What streams an operator works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Those behind `key_by`.
    Keyed,
    /// Those behind `key_by`, and another one that is broadcast to it.
    Broadcast,
    /// Those without keys.
    Unkeyed,
}

impl Cause {
    /// What a handler is called with, in words.
    pub fn noun(self) -> &'static str {
        match self {
            Cause::Timer => "timer",
            Cause::Event | Cause::Call | Cause::Broadcast => "record",
            Cause::Watermark | Cause::End | Cause::Restore => "no record",
        }
    }

    /// Whether it brings something that is given away.
    pub fn brings(self) -> bool {
        matches!(self, Cause::Event | Cause::Call | Cause::Timer | Cause::Broadcast)
    }

    /// The method that is called for it.
    pub fn method(self) -> &'static str {
        match self {
            Cause::Event | Cause::Call => "on_event",
            Cause::Timer => "on_timer",
            Cause::Broadcast => "on_broadcast",
            Cause::Watermark => "on_watermark",
            Cause::End => "on_end",
            Cause::Restore => "on_restore",
        }
    }
}

impl Setting {
    /// What an operator is called for, as methods of a block.
    pub fn causes(self) -> &'static [Cause] {
        match self {
            Setting::Keyed | Setting::Broadcast => &[Cause::Event, Cause::Timer, Cause::Broadcast],
            Setting::Unkeyed => &[Cause::Event, Cause::Watermark, Cause::End, Cause::Restore],
        }
    }

    /// How its state is marked.
    pub fn state(self) -> &'static str {
        match self {
            Setting::Keyed | Setting::Broadcast => "#[state(key = ..)]",
            Setting::Unkeyed => "#[state(unkeyed)]",
        }
    }
}
