//! The plan of a job: which steps were fused into which stages, and what ships records between them.
//!
//! Enters: a [`Plan`], which the graph makes of itself. Leaves: text for people ([`PlanFormat::Text`], and
//! [`PlanFormat::Dot`] and [`PlanFormat::Mermaid`] for tools that draw) or for programs ([`PlanFormat::Json`]). Pure: a plan
//! is made before anything is opened, so that a job can be looked at where its input is not.

use std::fmt::{self, Write};

use serde::Serialize;

/// A job as it will run.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The job's name.
    pub job: String,
    /// How many workers there are, each with one subtask of every stage.
    pub parallelism: u32,
    /// How many key groups there are.
    pub max_parallelism: u32,
    /// The stages, sources first; edges name them by their place in this list.
    pub stages: Vec<PlanStage>,
    /// What ships records from stage to stage.
    pub edges: Vec<PlanEdge>,
}

/// A stage: one fused chain between two exchanges.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct PlanStage {
    /// The stage's name: that of its source or its stateful operator.
    pub name: String,
    /// What it begins with.
    pub kind: StageKind,
    /// Its steps in the order of the data.
    pub steps: Vec<PlanStep>,
}

/// What a stage begins with.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// A source.
    Source,
    /// A stateful operator, behind an exchange by key.
    Keyed,
    /// Records of the same worker, from one or more stages before.
    Local,
}

/// One step of a chain.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// What was called in the wiring: `source`, `map`, `filter`, `process`, `sink`, ...
    pub kind: String,
    /// Its name, or what it reads, does or writes; may be empty.
    pub detail: String,
}

/// An edge between two stages.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct PlanEdge {
    /// The place of the stage that puts out.
    pub from: usize,
    /// The place of the stage that takes in.
    pub to: usize,
    /// Which subtask a record goes to.
    pub ship: Ship,
    /// Which of the outputs it is: `rejects`, `late`; empty for the main one.
    pub label: String,
}

/// Which subtask of the next stage a record goes to.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Ship {
    /// To the one that owns the key group of the record's key.
    Hash,
    /// To the one on the same worker.
    Local,
    /// To every one.
    Broadcast,
}

/// How a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PlanFormat {
    /// A picture for the terminal
    Text,
    /// Graphviz: `... --plan dot | dot -Tsvg > plan.svg`
    Dot,
    /// The plan as data
    Json,
    /// A Mermaid flowchart, as Markdown pages show it
    Mermaid,
}

impl Plan {
    /// Shows the plan; ends with a line feed.
    pub fn render(&self, format: PlanFormat) -> String {
        let mut out = String::new();
        match format {
            PlanFormat::Text => self.text(&mut out),
            PlanFormat::Dot => self.dot(&mut out),
            PlanFormat::Json => self.json(&mut out),
            PlanFormat::Mermaid => self.mermaid(&mut out),
        }
        .expect("writing to a string does not fail");
        out
    }

    fn edges_from(&self, stage: usize) -> impl Iterator<Item = &PlanEdge> {
        self.edges.iter().filter(move |edge| edge.from == stage)
    }

    fn text(&self, out: &mut String) -> fmt::Result {
        let size =
            format!("{}, {}", count(self.parallelism, "worker"), count(self.max_parallelism, "key group"));
        writeln!(out, "{}  ({size})", self.job)?;
        // One column for the whole plan, so that the eye can run down it.
        let steps = self.stages.iter().flat_map(|stage| &stage.steps);
        let width = steps.map(|step| step.kind.chars().count()).max().unwrap_or(0);
        for (number, stage) in self.stages.iter().enumerate() {
            writeln!(out, "\n ┌─ {}  {}  ({})", number + 1, stage.name, stage.kind.words())?;
            writeln!(out, " │")?;
            for step in &stage.steps {
                let line = format!(" │    {:width$}  {}", step.kind, step.detail);
                writeln!(out, "{}", line.trim_end())?;
            }
            let edges: Vec<_> = self.edges_from(number).collect();
            match edges.split_last() {
                None => writeln!(out, " ┴")?,
                Some((last, others)) => {
                    writeln!(out, " │")?;
                    for edge in others {
                        writeln!(out, " ├──▶ {}", self.destination(edge))?;
                    }
                    writeln!(out, " └──▶ {}", self.destination(last))?;
                }
            }
        }
        Ok(())
    }

    fn destination(&self, edge: &PlanEdge) -> String {
        let name = self.stages.get(edge.to).map_or("?", |stage| stage.name.as_str());
        format!("{}  {name}  ({})", edge.to + 1, edge.words())
    }

    fn dot(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "digraph {} {{", dot_quoted(&self.job))?;
        writeln!(out, "  rankdir=LR;")?;
        writeln!(out, "  node [shape=box, style=rounded, fontname=\"sans-serif\"];")?;
        writeln!(out, "  edge [fontname=\"sans-serif\"];")?;
        for (number, stage) in self.stages.iter().enumerate() {
            // `\l` ends a line that is set to the left.
            let mut label = format!("{}\\l", dot_escaped(&stage.name));
            for step in &stage.steps {
                write!(label, "  {}\\l", dot_escaped(&step.words()))?;
            }
            writeln!(out, "  s{number} [label=\"{label}\"];")?;
        }
        for edge in &self.edges {
            let style = match edge.ship {
                Ship::Hash => "",
                Ship::Local => ", style=dashed",
                Ship::Broadcast => ", style=bold",
            };
            writeln!(out, "  s{} -> s{} [label={}{style}];", edge.from, edge.to, dot_quoted(&edge.words()))?;
        }
        writeln!(out, "}}")
    }

    fn json(&self, out: &mut String) -> fmt::Result {
        let json =
            serde_json::to_string_pretty(self).expect("a plan is strings and numbers, all of which JSON has");
        writeln!(out, "{json}")
    }

    fn mermaid(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "flowchart LR")?;
        for (number, stage) in self.stages.iter().enumerate() {
            write!(out, "  s{number}[\"<b>{}</b>", mermaid_escaped(&stage.name))?;
            for step in &stage.steps {
                write!(out, "<br/>{}", mermaid_escaped(&step.words()))?;
            }
            writeln!(out, "\"]")?;
        }
        for edge in &self.edges {
            let arrow = match edge.ship {
                Ship::Hash => "-->",
                Ship::Local => "-.->",
                Ship::Broadcast => "==>",
            };
            writeln!(out, "  s{} {arrow}|\"{}\"| s{}", edge.from, mermaid_escaped(&edge.words()), edge.to)?;
        }
        Ok(())
    }
}

impl StageKind {
    fn words(self) -> &'static str {
        match self {
            StageKind::Source => "source",
            StageKind::Keyed => "keyed",
            StageKind::Local => "local",
        }
    }
}

impl PlanStep {
    fn words(&self) -> String {
        match self.detail.as_str() {
            "" => self.kind.clone(),
            detail => format!("{}: {detail}", self.kind),
        }
    }
}

impl PlanEdge {
    fn words(&self) -> String {
        let ship = match self.ship {
            Ship::Hash => "by key",
            Ship::Local => "same worker",
            Ship::Broadcast => "to all",
        };
        match self.label.as_str() {
            "" => ship.to_string(),
            label => format!("{label}, {ship}"),
        }
    }
}

/// `1 worker`, `2 workers`.
fn count(n: u32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn dot_quoted(text: &str) -> String {
    format!("\"{}\"", dot_escaped(text))
}

fn dot_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\l")
}

/// Mermaid reads HTML in its labels, and writes entities with `#`.
fn mermaid_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' => escaped.push_str("#quot;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '&' => escaped.push_str("#amp;"),
            '#' => escaped.push_str("#35;"),
            '\n' => escaped.push_str("<br/>"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: &str, detail: &str) -> PlanStep {
        PlanStep { kind: kind.to_string(), detail: detail.to_string() }
    }

    fn stage(name: &str, kind: StageKind, steps: Vec<PlanStep>) -> PlanStage {
        PlanStage { name: name.to_string(), kind, steps }
    }

    fn edge(from: usize, to: usize, ship: Ship, label: &str) -> PlanEdge {
        PlanEdge { from, to, ship, label: label.to_string() }
    }

    fn plan() -> Plan {
        Plan {
            job: "web-visits".to_string(),
            parallelism: 4,
            max_parallelism: 128,
            stages: vec![
                stage(
                    "access-log",
                    StageKind::Source,
                    vec![
                        step("source", "lines of access.log.gz"),
                        step("try_map", ""),
                        step("event_time", "at most 1m out of order"),
                        step("key_by", "String"),
                    ],
                ),
                stage(
                    "count-visits",
                    StageKind::Keyed,
                    vec![step("process", "CountVisits"), step("sink", "visit-counts: JSON lines in out/")],
                ),
                stage("union", StageKind::Local, vec![step("sink", "bad-lines: \"rejects\" <here>")]),
            ],
            edges: vec![edge(0, 1, Ship::Hash, ""), edge(0, 2, Ship::Local, "rejects")],
        }
    }

    #[test]
    fn text_is_a_picture_for_people() {
        let expected = r#"web-visits  (4 workers, 128 key groups)

 ┌─ 1  access-log  (source)
 │
 │    source      lines of access.log.gz
 │    try_map
 │    event_time  at most 1m out of order
 │    key_by      String
 │
 ├──▶ 2  count-visits  (by key)
 └──▶ 3  union  (rejects, same worker)

 ┌─ 2  count-visits  (keyed)
 │
 │    process     CountVisits
 │    sink        visit-counts: JSON lines in out/
 ┴

 ┌─ 3  union  (local)
 │
 │    sink        bad-lines: "rejects" <here>
 ┴
"#;
        assert_eq!(plan().render(PlanFormat::Text), expected);
    }

    #[test]
    fn dot_is_what_graphviz_reads() {
        let expected = r#"digraph "web-visits" {
  rankdir=LR;
  node [shape=box, style=rounded, fontname="sans-serif"];
  edge [fontname="sans-serif"];
  s0 [label="access-log\l  source: lines of access.log.gz\l  try_map\l  event_time: at most 1m out of order\l  key_by: String\l"];
  s1 [label="count-visits\l  process: CountVisits\l  sink: visit-counts: JSON lines in out/\l"];
  s2 [label="union\l  sink: bad-lines: \"rejects\" <here>\l"];
  s0 -> s1 [label="by key"];
  s0 -> s2 [label="rejects, same worker", style=dashed];
}
"#;
        assert_eq!(plan().render(PlanFormat::Dot), expected);
    }

    #[test]
    fn mermaid_is_a_flowchart_with_its_markup_escaped() {
        let expected = r#"flowchart LR
  s0["<b>access-log</b><br/>source: lines of access.log.gz<br/>try_map<br/>event_time: at most 1m out of order<br/>key_by: String"]
  s1["<b>count-visits</b><br/>process: CountVisits<br/>sink: visit-counts: JSON lines in out/"]
  s2["<b>union</b><br/>sink: bad-lines: #quot;rejects#quot; #lt;here#gt;"]
  s0 -->|"by key"| s1
  s0 -.->|"rejects, same worker"| s2
"#;
        assert_eq!(plan().render(PlanFormat::Mermaid), expected);
    }

    #[test]
    fn an_edge_to_all_subtasks_is_drawn_as_such() {
        let mut plan = plan();
        plan.edges = vec![edge(0, 1, Ship::Broadcast, "")];
        for (format, line) in [
            (PlanFormat::Text, " └──▶ 2  count-visits  (to all)\n"),
            (PlanFormat::Dot, "  s0 -> s1 [label=\"to all\", style=bold];\n"),
            (PlanFormat::Mermaid, "  s0 ==>|\"to all\"| s1\n"),
            (PlanFormat::Json, "\"ship\": \"broadcast\""),
        ] {
            let text = plan.render(format);
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn json_is_the_plan_as_data() {
        let mut plan = plan();
        plan.stages.truncate(1);
        plan.stages[0].steps.truncate(1);
        plan.edges.truncate(1);
        let expected = r#"{
  "job": "web-visits",
  "parallelism": 4,
  "max_parallelism": 128,
  "stages": [
    {
      "name": "access-log",
      "kind": "source",
      "steps": [
        {
          "kind": "source",
          "detail": "lines of access.log.gz"
        }
      ]
    }
  ],
  "edges": [
    {
      "from": 0,
      "to": 1,
      "ship": "hash",
      "label": ""
    }
  ]
}
"#;
        assert_eq!(plan.render(PlanFormat::Json), expected);
    }

    #[test]
    fn a_job_of_one_stage_is_drawn_without_edges() {
        let plan = Plan {
            job: "copy".to_string(),
            parallelism: 1,
            max_parallelism: 1,
            stages: vec![stage(
                "in",
                StageKind::Source,
                vec![step("source", "stdin"), step("sink", "out: stdout")],
            )],
            edges: vec![],
        };
        let expected = "copy  (1 worker, 1 key group)\n\n ┌─ 1  in  (source)\n │\n │    source  stdin\n │    sink    out: stdout\n ┴\n";
        assert_eq!(plan.render(PlanFormat::Text), expected);
    }
}
