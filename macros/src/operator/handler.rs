//! A handler: `on_event`, `on_timer`, .., or the function that is an operator; what it takes and what it gives.
//!
//! Its parameters are told apart by their types. What can't be told is noted as a mistake, and read as what was most
//! likely meant, so that the rest of the operator is still known.

use syn::{FnArg, Ident, Receiver, ReturnType, Signature, Type};

use super::cause::{Cause, Setting};
use super::parameter::{Parameter, last_segment, type_argument};
use crate::diagnostics::Diagnostics;
use crate::subject::unfit::spelled;

/// A handler.
pub struct Handler {
    pub name: Ident,
    pub setting: Setting,
    pub cause: Cause,
    /// What stands at each place after `self`.
    pub roles: Vec<Role>,
    /// The type of the record, or of what the timer carries.
    pub event: Option<Type>,
    pub state: Option<Type>,
    /// What is known from the broadcast.
    pub shared: Option<Type>,
    pub out: Option<Type>,
    pub side: Option<Type>,
    pub returns: Returns,
    /// Whether it asks for the context of a key, and there is none.
    pub misses_key: bool,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Event,
    State,
    Shared,
    Context,
    Out,
    Side,
}

/// How what is returned becomes output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// There is nothing.
    Nothing,
    /// It is emitted.
    One,
    /// It is emitted if it is there.
    Maybe,
}

impl Handler {
    /// Reads a signature.
    pub fn parse(setting: Setting, cause: Cause, signature: &Signature, errors: &mut Diagnostics) -> Handler {
        let name = signature.ident.clone();
        refuse_qualifiers(cause, signature, errors);
        receiver(setting, cause, signature, errors);
        let mut parameters = Vec::new();
        for input in &signature.inputs {
            if let FnArg::Typed(typed) = input {
                parameters.push((Parameter::parse(cause, signature, &typed.ty, errors), typed));
            }
        }
        let mut handler = Handler {
            name,
            setting,
            cause,
            roles: Vec::new(),
            event: None,
            state: None,
            shared: None,
            out: None,
            side: None,
            returns: Returns::Nothing,
            misses_key: false,
        };
        let by_value = parameters.iter().any(|(parameter, _)| matches!(parameter, Parameter::Value(_)));
        for (parameter, written) in parameters {
            handler.take(parameter, by_value, written, errors);
        }
        handler.required(signature, errors);
        handler.output(&signature.output, errors);
        handler
    }

    fn take(
        &mut self,
        parameter: Parameter,
        by_value: bool,
        written: &syn::PatType,
        errors: &mut Diagnostics,
    ) {
        let (noun, pattern) = (self.cause.noun(), spelled(&written.pat));
        let role = match parameter {
            Parameter::Context | Parameter::UnkeyedContext => {
                self.context(parameter, written, errors);
                Role::Context
            }
            Parameter::Emit(ty) if self.cause == Cause::Restore => {
                errors.add(
                    written,
                    format!("`{}` emits, but the steps behind it are not restored yet", self.name),
                    "emit with the first record, or in `on_watermark` or `on_end`",
                );
                self.out = ty;
                Role::Out
            }
            Parameter::Emit(ty) if self.out.is_none() && !self.roles.contains(&Role::Out) => {
                self.out = ty;
                Role::Out
            }
            Parameter::Emit(ty) => {
                if self.roles.contains(&Role::Side) {
                    errors.add(
                        written,
                        "this is a third `Emit`, but an operator has one output and one side output",
                        "emit an enum on the side output and `filter` it behind, or split the operator",
                    );
                }
                self.side = ty;
                Role::Side
            }
            Parameter::Value(ty) if !self.cause.brings() => {
                let ty = spelled(&ty);
                errors.add(
                    written,
                    format!(
                        "`{}` takes `{ty}` by value, but there is {noun} here that could be given away",
                        self.name
                    ),
                    format!("if this is the state, borrow it: `{pattern}: &mut {ty}`"),
                );
                Role::State
            }
            Parameter::Value(ty) if self.event.is_none() => {
                self.event = Some(ty);
                Role::Event
            }
            Parameter::Value(ty) => {
                let ty = spelled(&ty);
                errors.add(
                    written,
                    format!("`{}` takes two values, `{ty}` being the second, but only the {noun} is given away", self.name),
                    format!("if this is the state, borrow it: `{pattern}: &mut {ty}`; what else it needs goes into the record or into the operator's fields"),
                );
                // Whether it was meant to be the state is a guess, so its type stays unknown.
                Role::State
            }
            Parameter::Lent(ty) | Parameter::Shared(ty)
                if self.cause.brings() && !by_value && self.event.is_none() =>
            {
                let ty_spelled = spelled(&ty);
                errors.add(
                    &written.ty,
                    format!(
                        "`{}` borrows the {noun}, but it is given away: nobody needs it afterwards",
                        self.name
                    ),
                    format!("take it by value: `{pattern}: {ty_spelled}`"),
                );
                self.event = Some(ty);
                Role::Event
            }
            Parameter::Lent(ty) | Parameter::Shared(ty) if self.cause == Cause::Broadcast => {
                self.broadcast_state(ty, written, errors);
                Role::Shared
            }
            Parameter::Shared(ty) if self.setting == Setting::Broadcast && self.shared.is_none() => {
                self.shared = Some(ty);
                Role::Shared
            }
            Parameter::Shared(ty) if self.state.is_some() => {
                let spelled = spelled(&ty);
                errors.add(
                    written,
                    format!("`{}` has a state and reads a `{spelled}`, but nobody says where that comes from", self.name),
                    format!("if it is known from a second stream, which every subtask is sent, mark it `#[state(broadcast)]` and write `fn on_broadcast(&self, record: .., {pattern}: &mut {spelled})`; if it never changes, it is a field of the operator"),
                );
                Role::Shared
            }
            Parameter::Shared(ty) => {
                let spelled = spelled(&ty);
                errors.add(
                    &written.ty,
                    format!("`{}` takes the state by `&`, but an operator is what changes it", self.name),
                    format!("write `{pattern}: &mut {spelled}`"),
                );
                self.state = Some(ty);
                Role::State
            }
            Parameter::Lent(ty) => {
                if let (Some(first), Setting::Broadcast) = (&self.state, self.setting) {
                    errors.add(
                        &written.ty,
                        format!(
                            "`{}` changes two states, `{}` and `{}`, but what is broadcast is the same in every subtask: only `on_broadcast` changes it",
                            self.name,
                            spelled(first),
                            spelled(&ty)
                        ),
                        format!("read it: `{pattern}: &{}`", spelled(&ty)),
                    );
                } else if let Some(first) = &self.state {
                    errors.add(
                        written,
                        format!(
                            "`{}` has two states, `{}` and `{}`, but an operator keeps one {}",
                            self.name,
                            spelled(first),
                            spelled(&ty),
                            match self.setting {
                                Setting::Keyed | Setting::Broadcast => "row per key",
                                Setting::Unkeyed => "per subtask",
                            }
                        ),
                        format!("put the fields of both into one struct marked `{}`", self.setting.state()),
                    );
                } else {
                    self.state = Some(ty);
                }
                Role::State
            }
        };
        self.roles.push(role);
    }

    /// What `on_broadcast` changes.
    fn broadcast_state(&mut self, ty: Type, written: &syn::PatType, errors: &mut Diagnostics) {
        let (pattern, written_ty) = (spelled(&written.pat), spelled(&ty));
        let mutable = matches!(&*written.ty, Type::Reference(reference) if reference.mutability.is_some());
        if let Some(first) = &self.shared {
            errors.add(
                written,
                format!(
                    "`{}` takes `{}` and `{written_ty}`, but a record that is broadcast has no key, and no state of one",
                    self.name,
                    spelled(first)
                ),
                "take the broadcast state alone; `on_event` and `on_timer` have the state of the key, and read the broadcast state",
            );
        } else if !mutable {
            errors.add(
                &written.ty,
                format!("`{}` takes the broadcast state by `&`, but it is what changes it", self.name),
                format!("write `{pattern}: &mut {written_ty}`"),
            );
        }
        self.shared.get_or_insert(ty);
    }

    /// The context is that of the setting.
    fn context(&mut self, parameter: Parameter, written: &syn::PatType, errors: &mut Diagnostics) {
        let pattern = spelled(&written.pat);
        self.misses_key |= matches!((&parameter, self.setting), (Parameter::Context, Setting::Unkeyed));
        match (parameter, self.setting) {
            (Parameter::Context, Setting::Broadcast) if self.cause == Cause::Broadcast => errors.add(
                &written.ty,
                format!("`{}` asks for a `Context`, which has a key and its timers, but a record that is broadcast has neither", self.name),
                format!("take `{pattern}: &UnkeyedContext` for the times and the subtask"),
            ),
            (Parameter::UnkeyedContext, Setting::Broadcast) if self.cause == Cause::Broadcast => {}
            (Parameter::Context, Setting::Unkeyed) => errors.add(
                &written.ty,
                format!("`{}` asks for a `Context`, which has a key and its timers, but a stream without keys has neither", self.name),
                format!("take `{pattern}: &UnkeyedContext` for the times and the subtask; for timers write `#[operator]`, with a state per key, behind `.key_by(..)`"),
            ),
            (Parameter::UnkeyedContext, Setting::Keyed | Setting::Broadcast) => errors.add(
                &written.ty,
                format!("`{}` asks for an `UnkeyedContext`, but it is called for a key", self.name),
                format!("write `{pattern}: &mut Context<Self>`"),
            ),
            _ => {}
        }
    }

    fn required(&self, signature: &Signature, errors: &mut Diagnostics) {
        let noun = self.cause.noun();
        if self.event.is_none() && self.cause.brings() {
            errors.add(
                &signature.ident,
                format!("`{}` does not take the {noun}", self.name),
                match self.cause {
                    Cause::Timer => "take what the timer carries by value: `close: Close`, or `_: Close`",
                    _ => "take it by value: `visit: Visit`",
                },
            );
        }
        if self.cause == Cause::Broadcast && self.shared.is_none() && self.event.is_some() {
            errors.add(
                &signature.ident,
                format!("`{}` has no state to keep what it is told", self.name),
                "take it as `rules: &mut Rules`, a struct marked `#[state(broadcast)]`; `on_event` reads it as `rules: &Rules`",
            );
        }
        let of_record = matches!(self.cause, Cause::Event | Cause::Call);
        if of_record && !self.roles.contains(&Role::State) && self.event.is_some() {
            let (per_key, example) = match self.setting {
                Setting::Keyed | Setting::Broadcast => (" per key", "session: &mut Session"),
                Setting::Unkeyed => ("", "pending: &mut Pending"),
            };
            errors.add(
                &signature.ident,
                format!("`{}` has no state, but what an operator does{per_key} is to remember", self.name),
                format!("take it as `{example}`, a struct marked `{}`; a step without state is a plain function, wired by `.map`, `.filter` or `.flat_map`", self.setting.state()),
            );
        }
    }

    fn output(&mut self, output: &ReturnType, errors: &mut Diagnostics) {
        let ReturnType::Type(_, ty) = output else { return };
        if matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            return;
        }
        if self.cause == Cause::Restore {
            errors.add(
                ty,
                format!("`{}` returns a value, but the steps behind it are not restored yet", self.name),
                "return nothing; emit with the first record, or in `on_watermark` or `on_end`",
            );
            return;
        }
        if self.roles.contains(&Role::Out) {
            errors.add(
                ty,
                format!("`{}` has an output already, `&mut impl Emit<..>`, and returns a value as well", self.name),
                "emit it: `out.emit(value)`, and return nothing; or drop the parameter and return `Option<T>`",
            );
            return;
        }
        if matches!(&**ty, Type::ImplTrait(_)) {
            errors.add(
                ty,
                format!(
                    "`{}` returns an `impl Trait`, but the type of an operator's output must have a name",
                    self.name
                ),
                "take `out: &mut impl Emit<T>` and emit each value into it",
            );
            return;
        }
        let last = last_segment(ty);
        match last.map(|segment| segment.ident.to_string()).as_deref() {
            Some("Result") => errors.add(
                ty,
                format!("`{}` returns a `Result`, but an error has nowhere to go: the record is half-way into the state", self.name),
                "parse and validate before `key_by`, with `try_map`; or emit what is refused on a side output, a second `&mut impl Emit<Rejected>`",
            ),
            Some("Option") => {
                self.out = last.and_then(|segment| type_argument(&segment.arguments));
                self.returns = Returns::Maybe;
            }
            _ => {
                self.out = Some((**ty).clone());
                self.returns = Returns::One;
            }
        }
    }
}

/// Refuses what no operator's function may be, with state or without: the runtime calls it, on one thread, as it is.
pub fn refuse_qualifiers(cause: Cause, signature: &Signature, errors: &mut Diagnostics) {
    let name = &signature.ident;
    if let Some(token) = signature.asyncness {
        errors.add(
            token,
            format!("`{name}` is async, but an operator is called record by record and must not wait: its key's next record is waiting too"),
            "write it without `async`; look things up before `key_by`, or keep what was looked up in the state",
        );
    }
    if let Some(token) = &signature.unsafety {
        errors.add(
            token,
            format!("`{name}` is unsafe, but the runtime that calls it makes no promises"),
            "write a safe function",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.add(
            abi,
            format!("`{name}` has a foreign calling convention"),
            "write a plain `fn`, and call the foreign one in it",
        );
    }
    if let Some(variadic) = &signature.variadic {
        errors.add(variadic, format!("`{name}` takes any number of arguments"), "name every parameter");
    }
    let generic = !signature.generics.params.is_empty();
    if generic {
        let help = match cause {
            Cause::Call => {
                "name the types; a function that serves many types can be called by one `#[operator]` for each"
            }
            _ => "name the types; only outputs are generic: `out: &mut impl Emit<T>`",
        };
        errors.add(
            &signature.generics,
            format!("`{name}` is generic, but an operator's record, state and output are types that a snapshot can name"),
            help,
        );
    }
    if let Some(clause) = signature.generics.where_clause.as_ref().filter(|_| !generic) {
        errors.add(
            clause,
            format!("`{name}` has a `where` clause, but there is nothing left to choose"),
            "remove it",
        );
    }
}

fn receiver(setting: Setting, cause: Cause, signature: &Signature, errors: &mut Diagnostics) {
    let name = &signature.ident;
    if cause == Cause::Call {
        return;
    }
    match signature.receiver() {
        None => errors.add(
            name,
            format!("`{name}` has no `&self`, but it is a method of the operator, whose fields are its configuration"),
            format!("write `fn {name}(&self, ..)`"),
        ),
        Some(Receiver { reference: Some(_), mutability: Some(_), .. }) => errors.add(
            signature.receiver(),
            format!("`{name}` takes `&mut self`, but the operator's fields are configuration, shared by all keys; a change would be lost at a restart"),
            format!("write `&self`, and keep what must survive in a struct marked `{}`", setting.state()),
        ),
        Some(Receiver { reference: Some(_), colon_token: None, .. }) => {}
        Some(other) => errors.add(
            other,
            format!("`{name}` takes `{}`, but the operator is called for every record", spelled(other)),
            "write `&self`",
        ),
    }
}
