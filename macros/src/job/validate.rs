//! Judges a [`Job`].

use syn::{FnArg, ReturnType, Type};

use super::Job;
use crate::diagnostics::Diagnostics;
use crate::subject::unfit::spelled;

pub fn validate(job: &Job, errors: &mut Diagnostics) {
    let signature = &job.function.sig;
    let name = &signature.ident;
    if name == "main" {
        errors.add(
            name,
            "`#[job]` adds the function `main`, so the job's own function can't be called that",
            "name it after the job: `fn web_visits(job: &Job) -> Result<()>`",
        );
    }
    if let Some(token) = signature.asyncness {
        errors.add(
            token,
            format!("`{name}` is async, but it only wires the job: nothing in it waits, and the job runs after it returns"),
            "remove `async`",
        );
    }
    if let Some(token) = &signature.unsafety {
        errors.add(
            token,
            format!("`{name}` is unsafe, but nobody could promise anything for the `main` that calls it"),
            "remove `unsafe`",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.add(
            &signature.generics,
            format!("`{name}` is generic, but `main` calls it, and nothing tells `main` with which types"),
            "name the types; what is to be chosen at the start is a flag in the job's `Args`",
        );
    } else if let Some(clause) = &signature.generics.where_clause {
        errors.add(
            clause,
            format!("`{name}` has a `where` clause, but there is nothing left to choose"),
            "remove it",
        );
    }
    parameters(job, errors);
    if let ReturnType::Default = signature.output {
        errors.add(
            name,
            format!("`{name}` returns nothing, but wiring a job can fail: a file may be missing, a name may be taken"),
            format!("write `fn {name}(..) -> Result<()>`, and `Ok(())` at the end"),
        );
    }
    if let Some(written) = &job.name
        && written.value().is_empty()
    {
        errors.add(written, "the name of a job can't be empty: snapshots are found by it", "give it a name");
    }
}

fn parameters(job: &Job, errors: &mut Diagnostics) {
    let signature = &job.function.sig;
    let name = &signature.ident;
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        None => errors.add(
            name,
            format!("`{name}` takes no job, so it has nothing to wire"),
            format!("write `fn {name}(job: &Job) -> Result<()>`"),
        ),
        Some(FnArg::Receiver(receiver)) => {
            errors.add(
                receiver,
                format!("`{name}` is a method, but `main` calls it and has no `self`"),
                format!("write a free function, `fn {name}(job: &Job) -> Result<()>`"),
            );
            return;
        }
        Some(FnArg::Typed(typed)) if is_named_job(&typed.ty) => errors.add(
            &typed.ty,
            format!("the job is only lent to `{name}`: it is wired there and run afterwards"),
            "write `job: &Job`",
        ),
        Some(FnArg::Typed(typed)) if !is_job(&typed.ty) => errors.add(
            &typed.ty,
            format!(
                "the first parameter of `{name}` is `{}`, but what it wires is the job",
                spelled(&typed.ty)
            ),
            "write `job: &Job`, and after it, if the job has flags of its own, `args: Args`",
        ),
        Some(FnArg::Typed(_)) => {}
    }
    if let Some(FnArg::Typed(args)) = inputs.next()
        && let Type::Reference(reference) = &*args.ty
    {
        let (pattern, ty) = (spelled(&args.pat), spelled(&reference.elem));
        errors.add(
            &args.ty,
            format!("`{name}` borrows its flags, but they are read for it alone and given away"),
            format!("take them by value: `{pattern}: {ty}`"),
        );
    }
    if let Some(third) = inputs.next() {
        errors.add(
            third,
            format!("`{name}` has a third parameter, but `main` knows only the job and its flags"),
            "put it into the struct of the job's flags, which derives `clap::Args`",
        );
    }
}

fn is_job(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    reference.mutability.is_none() && is_named_job(&reference.elem)
}

fn is_named_job(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Job")
}
