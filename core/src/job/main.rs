//! The `main` of a job's executable: flags, plan, check, run, exit code.
//!
//! Enter: the command line, and the job function that wires the graph. Leaves: an exit code. 0 is a job that finished or
//! was stopped as asked, or an answer to `--help`, `--version`, `--plan` or `--check`; 1 is a failure; 2 is a mistake in the
//! command line or in the wiring. Results go to standard output, everything about the run to standard error.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{Arg, Args, Command, FromArgMatches};

use crate::error::{Error, Result};
#[cfg(feature = "flink")]
use crate::flink::Flink;
#[cfg(feature = "flink")]
use crate::job::RunOptions;
use crate::job::flags::JobFlags;
use crate::job::progress::{beside, say};
use crate::job::signals::Signals;
use crate::job::{Graph, Job, against, lock, logging, run};
use crate::snapshot::tools::{self, Tools};

/// What an executable says of itself. `#[job]` fills it in from the function and its package.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The job's name, part of every snapshot.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// What it does, in a line or a few.
    pub about: &'static str,
}

/// The arguments of a job that has none of its own.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
#[group(skip)]
pub struct NoArgs {}

/// The arguments of a job: a struct that derives `clap::Args`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the arguments of a job",
    label = "expected a struct that derives `clap::Args`",
    note = "put `#[derive(clap::Args)]` on it; its fields are flags: `#[arg(long)] input: PathBuf`"
)]
pub trait JobArgs: Args {}

#[diagnostic::do_not_recommend]
impl<A: Args> JobArgs for A {}

/// Runs a job as a program: reads the command line, has `job` wire the graph, and runs it or says what it would be.
///
/// `#[job]` writes the call; by hand it is
///
/// ```no_run
/// use std::process::ExitCode;
/// use tidegate::job::{NoArgs, Program};
/// use tidegate::prelude::*;
///
/// fn numbers(job: &Job, _: NoArgs) -> Result<()> {
///     job.source("numbers", Memory::of(vec![1u64, 2, 3])).filter(|n| n % 2 == 1).discard();
///     Ok(())
/// }
///
/// fn main() -> ExitCode {
///     let program = Program { name: "numbers", version: "1.0.0", about: "Counts nothing" };
///     tidegate::job::main(program, numbers)
/// }
/// ```
pub fn main<A: JobArgs>(program: Program, job: impl Fn(&Job, A) -> Result<()>) -> ExitCode {
    let command = match command::<A>(program) {
        Ok(command) => command,
        Err(error) => return fail(&error),
    };
    match parse::<A>(command, std::env::args_os()) {
        Ok(asked) => match asked.answer(program, job) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Err(error) => {
            // The answer to `--help` into a closed pipe has nobody left to complain to.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}

fn fail(error: &Error) -> ExitCode {
    // If standard error is gone, the exit code still tells.
    let _ = beside(|| writeln!(io::stderr(), "error: {error:#}"));
    ExitCode::from(error.exit_code())
}

/// The command line of a job: the user's arguments, then Tidegate's under a heading of their own.
fn command<A: Args>(program: Program) -> Result<Command> {
    let users = A::augment_args(Command::new(program.name));
    refuse_clashes(&users)?;
    let about = Some(program.about).filter(|about| !about.is_empty());
    // Looking at snapshots takes none of what running the job may require.
    let tools = Tools::augment_args(Command::new(SNAPSHOTS)).arg_required_else_help(true);
    let ours = JobFlags::augment_args(users).subcommand(tools).subcommand_negates_reqs(true);
    #[cfg(feature = "flink")]
    let ours = ours.subcommand(Flink::augment_args(Command::new(FLINK)).arg_required_else_help(true));
    // Set after the user's arguments, whose own docstring would stand here otherwise.
    Ok(ours.disable_help_subcommand(true).version(program.version).about(about).long_about(None))
}

/// The word behind which the tools for snapshots are.
const SNAPSHOTS: &str = "snapshots";

/// The word behind which Flink is.
#[cfg(feature = "flink")]
const FLINK: &str = "flink";

/// What a command line asks for.
#[derive(Debug)]
enum Asked<A> {
    Run(A, Box<JobFlags>),
    Snapshots(Tools, Box<JobFlags>),
    #[cfg(feature = "flink")]
    Flink(Flink, Box<JobFlags>),
}

fn parse<A: FromArgMatches>(
    mut command: Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Asked<A>, clap::Error> {
    let mut matches = command.try_get_matches_from_mut(words)?;
    let mut asked = || {
        let flags = Box::new(JobFlags::from_arg_matches_mut(&mut matches)?);
        if let Some((SNAPSHOTS, tools)) = matches.subcommand() {
            return Ok(Asked::Snapshots(Tools::from_arg_matches(tools)?, flags));
        }
        #[cfg(feature = "flink")]
        if let Some((FLINK, flink)) = matches.subcommand() {
            return Ok(Asked::Flink(Flink::from_arg_matches(flink)?, flags));
        }
        Ok(Asked::Run(A::from_arg_matches_mut(&mut matches)?, flags))
    };
    asked().map_err(|error: clap::Error| error.format(&mut command))
}

impl<A: JobArgs> Asked<A> {
    fn answer(self, program: Program, job: impl Fn(&Job, A) -> Result<()>) -> Result<()> {
        match self {
            Asked::Run(args, flags) => launch(program, job, args, &flags),
            Asked::Snapshots(tools, flags) => {
                logging::init(&flags.log)?;
                let directory = flags.snapshot_dir.as_deref();
                #[cfg(feature = "flink")]
                if let Some((own, target, flink)) = tools.export_for_flink() {
                    let wiring = |args: &[String]| wire_as_told::<A>(program, &job, args);
                    return answer(&flink.write(own.or(directory), target, &wiring)?);
                }
                tools::run(&tools, directory, &mut io::stdin().lock(), &mut io::stdout().lock())
            }
            #[cfg(feature = "flink")]
            Asked::Flink(flink, flags) => {
                let printed = flink.answer(&flags.log, &|args| wire_as_told::<A>(program, &job, args))?;
                printed.map_or(Ok(()), |printed| answer(&printed))
            }
        }
    }
}

/// Wires the job as a command line of its own would have it.
#[cfg(feature = "flink")]
fn wire_as_told<A: JobArgs>(
    program: Program,
    job: impl Fn(&Job, A) -> Result<()>,
    args: &[String],
) -> Result<(Graph, RunOptions)> {
    let words = std::iter::once(program.name).chain(args.iter().map(String::as_str)).map(OsString::from);
    let refused =
        |error: clap::Error| Error::usage(error.to_string().trim_start_matches("error: ").trim_end());
    match parse::<A>(command::<A>(program)?, words).map_err(refused)? {
        Asked::Run(args, flags) => Ok((wire(program, job, args)?, flags.options(1)?)),
        Asked::Snapshots(..) | Asked::Flink(..) => {
            Err(Error::usage("the arguments behind `--` are those of a run"))
        }
    }
}

/// clap takes two arguments of one name for a mistake of the program's author, and panics; it is the user's here.
fn refuse_clashes(users: &Command) -> Result<()> {
    let ours =
        JobFlags::augment_args(Command::new("")).get_arguments().flat_map(names).collect::<HashSet<_>>();
    let clap = |disabled: bool, own: [Name; 3]| own.into_iter().filter(move |_| !disabled);
    let ours = ours
        .into_iter()
        .chain(clap(
            users.is_disable_help_flag_set(),
            [Name::id("help"), Name::long("help"), Name::Short('h')],
        ))
        .chain(clap(
            users.is_disable_version_flag_set(),
            [Name::id("version"), Name::long("version"), Name::Short('V')],
        ))
        .collect::<HashSet<_>>();
    if users.find_subcommand(SNAPSHOTS).is_some() {
        return Err(Error::usage(format!("the job's own command {SNAPSHOTS} is also one of every job"))
            .hint("rename it"));
    }
    let mut seen = BTreeSet::new();
    for argument in users.get_arguments() {
        for name in names(argument) {
            if ours.contains(&name) {
                return Err(Error::usage(format!(
                    "the job's own argument {name} is also one of every job's flags"
                ))
                .hint(format!("rename it; {} are taken", taken(&ours))));
            }
            if seen.contains(&name) {
                return Err(Error::usage(format!("two of the job's own arguments are called {name}"))
                    .hint("rename one of them"));
            }
            seen.insert(name);
        }
    }
    Ok(())
}

/// The long names of flags, for people.
fn taken(names: &HashSet<Name>) -> String {
    let longs = names.iter().filter(|name| matches!(name, Name::Long(_))).map(Name::to_string);
    longs.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// One of the names by which clap or the user knows an argument; no two arguments may share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Long(String),
    Short(char),
    Id(String),
}

impl Name {
    fn id(id: &str) -> Name {
        Name::Id(id.to_string())
    }

    fn long(long: &str) -> Name {
        Name::Long(long.to_string())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Long(long) => write!(f, "--{long}"),
            Name::Short(short) => write!(f, "-{short}"),
            Name::Id(id) => write!(f, "`{id}`"),
        }
    }
}

/// All names of an argument, the one a person would call it by first.
fn names(argument: &Arg) -> Vec<Name> {
    let longs = argument.get_long().into_iter().chain(argument.get_all_aliases().unwrap_or_default());
    let shorts = argument.get_short().into_iter().chain(argument.get_all_short_aliases().unwrap_or_default());
    let mut names: Vec<_> = longs.map(Name::long).collect();
    names.extend(shorts.map(Name::Short));
    names.push(Name::id(argument.get_id().as_str()));
    names
}

/// Does what the command line asks for.
fn launch<A>(program: Program, job: impl Fn(&Job, A) -> Result<()>, args: A, flags: &JobFlags) -> Result<()> {
    logging::init(&flags.log)?;
    let cpus = std::thread::available_parallelism().map_or(1, NonZero::get);
    let options = flags.options(cpus)?;
    let graph = wire(program, job, args)?;
    if let Some(action) = flags.lock {
        return answer(&lock::run(action, &flags.lock_file, &graph)?);
    }
    if let (Some(format), Some(target)) = (flags.plan, &flags.against) {
        let (report, verdict) = against::compare(&graph, &options, target, format)?;
        return answer(&report).and(verdict);
    }
    if let Some(format) = flags.plan {
        answer(&graph.plan(&options).render(format))?;
    }
    if flags.check {
        let report = run::check(&graph, &options)?;
        match flags.plan {
            None => answer(&format!("{}\n", report.trim_end()))?,
            // Standard output is the plan's, for a program to read.
            Some(_) => say(&report),
        }
    }
    if flags.plan.is_some() || flags.check {
        return Ok(());
    }
    let signals = Signals::install()?;
    let summary = run::run(graph, &options, &signals)?;
    if !options.quiet {
        say(&summary.to_string());
    }
    Ok(())
}

fn wire<A>(program: Program, function: impl Fn(&Job, A) -> Result<()>, args: A) -> Result<Graph> {
    let job = Job::new(program.name);
    // The panic has printed its message and place; what is left to do is to end as a failure ends, with exit code 1.
    let wired = catch_unwind(AssertUnwindSafe(|| function(&job, args)));
    wired.map_err(|_| {
        Error::failure(format!("the function that wires job {:?} panicked, see above", program.name))
            .hint("it runs before anything is opened: have it return an error instead")
    })??;
    job.finish()
}

/// Prints what was asked for. Who has closed the pipe has read enough.
fn answer(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::failure("can't write to standard output").caused_by(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::plan::PlanFormat;

    const PROGRAM: Program = Program { name: "web-visits", version: "1.2.3", about: "Counts visits" };

    /// This docstring must not stand in the help.
    #[derive(clap::Args, Debug)]
    struct Visits {
        /// Access logs to read
        #[arg(long, required = true)]
        input: Vec<String>,
        /// A field whose name is that of a flag of ours
        #[arg(long = "floor-plan")]
        plan: Option<String>,
    }

    #[derive(clap::Args)]
    struct OneOption {
        /// Of the user's
        #[arg(long, short)]
        restore: bool,
    }

    #[derive(clap::Args)]
    struct Aliased {
        #[arg(long, alias = "log", short = 'V')]
        _lumber: bool,
    }

    #[derive(clap::Args)]
    struct OwnHelp {
        #[arg(long)]
        _host: Option<String>,
        #[arg(short = 'h')]
        _height: Option<String>,
    }

    #[derive(clap::Args)]
    struct Twins {
        #[arg(long = "name")]
        _one: bool,
        #[arg(long = "name")]
        _two: bool,
    }

    fn words(line: &str) -> Vec<OsString> {
        ["web-visits"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect()
    }

    fn refused<A: Args>() -> String {
        let error = command::<A>(PROGRAM).expect_err("clashes");
        assert_eq!(error.exit_code(), 2);
        format!("{error:#}")
    }

    #[test]
    fn the_users_arguments_and_ours_stand_on_one_command_line() {
        let command = command::<Visits>(PROGRAM).unwrap();
        command.clone().debug_assert();
        let Asked::Run(args, flags) =
            parse::<Visits>(command, words("--plan dot --input a --floor-plan b --input c")).unwrap()
        else {
            panic!("a run was asked for");
        };
        assert_eq!((args.input.join(","), args.plan.as_deref()), ("a,c".to_string(), Some("b")));
        assert_eq!(flags.plan, Some(PlanFormat::Dot));
    }

    #[test]
    fn help_shows_the_programs_about_and_not_the_docstring_of_the_arguments() {
        let mut command = command::<Visits>(PROGRAM).unwrap();
        for help in [command.render_help(), command.render_long_help()] {
            let help = help.to_string();
            assert!(help.starts_with("Counts visits\n"), "{help}");
            assert!(!help.contains("docstring"), "{help}");
            let (users, ours) = help.split_once("\nTidegate:\n").unwrap();
            assert!(users.contains("--input") && !users.contains("--restore"), "{help}");
            assert!(ours.contains("--restore <latest|ID|PATH>") && !ours.contains("--input"), "{help}");
        }
        assert_eq!(command.render_version(), "web-visits 1.2.3\n");
    }

    #[test]
    fn a_wrong_command_line_and_a_question_are_told_apart() {
        let parse = |line| parse::<Visits>(command::<Visits>(PROGRAM).unwrap(), words(line)).unwrap_err();
        for line in ["", "--input a --no-such-flag", "--input a --retain many", "--input a --restart always"]
        {
            assert_eq!((parse(line).exit_code(), parse(line).use_stderr()), (2, true), "{line}");
        }
        for line in ["--help", "-h", "--version", "-V"] {
            assert_eq!((parse(line).exit_code(), parse(line).use_stderr()), (0, false), "{line}");
        }
    }

    #[test]
    fn an_argument_of_the_users_that_is_called_like_a_flag_of_ours_is_refused_by_name() {
        let refusal = refused::<OneOption>();
        assert!(
            refusal.starts_with("the job's own argument --restore is also one of every job's flags"),
            "{refusal}"
        );
        assert!(
            refusal.contains(
                "\n  hint: rename it; --against, --alignment-timeout, --allow-dropped-state, --check, --help, "
            ),
            "{refusal}"
        );
        assert!(refused::<Aliased>().contains("argument --log is"));
        assert!(refused::<OwnHelp>().contains("argument -h is"));
        assert!(refused::<Twins>().contains("two of the job's own arguments are called --name"));
    }

    #[test]
    fn snapshots_are_looked_at_without_what_a_run_requires() {
        let parse = |line| parse::<Visits>(command::<Visits>(PROGRAM).unwrap(), words(line));
        for line in ["snapshots list --snapshot-dir d", "--snapshot-dir d snapshots list", "snapshots get -5"]
        {
            assert!(matches!(parse(line).unwrap(), Asked::Snapshots(..)), "{line}");
        }
        let asked = parse("--snapshot-dir snapshots --input a").unwrap();
        assert!(matches!(asked, Asked::Run(..)), "a directory may be called that");
        for line in
            ["snapshots", "snapshots shred", "snapshots verify", "snapshots diff 1", "snapshots edit 1"]
        {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        for line in ["snapshots --help", "snapshots dump --help"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 0, "{line}");
        }
    }

    #[test]
    fn a_job_without_arguments_of_its_own_has_ours() {
        let asked = parse::<NoArgs>(command::<NoArgs>(PROGRAM).unwrap(), words("--check --quiet")).unwrap();
        assert!(matches!(asked, Asked::Run(_, flags) if flags.check));
        assert!(parse::<NoArgs>(command::<NoArgs>(PROGRAM).unwrap(), words("stray")).is_err());
    }
}
