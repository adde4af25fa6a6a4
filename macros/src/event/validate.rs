//! Judges an [`Event`].

use syn::{Ident, Member};

use super::Event;
use crate::diagnostics::Diagnostics;
use crate::subject::{Style, codec, was};
use crate::suggest::nearest;

pub fn validate(event: &mut Event, errors: &mut Diagnostics) {
    event.subject.refuse_second_macro("event", errors);
    event.subject.refuse_unfit("event", errors);
    was::validate(&event.subject, errors);
    codec::validate(&event.subject, errors);
    if let Some(time) = &event.time {
        time_is_a_field(event, time, errors);
    }
}

fn time_is_a_field(event: &Event, time: &Ident, errors: &mut Diagnostics) {
    let subject = &event.subject;
    if subject.is_enum() || subject.parts.iter().any(|part| part.style != Style::Named) {
        errors.add(
            time,
            format!("`time = {time}` names a field, and `{}` has no named fields", subject.ident()),
            "use a struct with named fields, or implement `tidegate::record::Event` by hand",
        );
        return;
    }
    let fields: Vec<String> = subject.fields().filter_map(|field| named(&field.member)).collect();
    if fields.iter().any(|field| time == field) {
        return;
    }
    let help = match nearest(&time.to_string(), fields.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name the field of type `EventTime` that says when the record happened".to_string(),
    };
    errors.add(time, format!("`{}` has no field `{time}`", subject.ident()), help);
}

fn named(member: &Member) -> Option<String> {
    match member {
        Member::Named(name) => Some(name.to_string()),
        Member::Unnamed(_) => None,
    }
}
