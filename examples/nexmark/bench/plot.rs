//! A picture of what was measured: SVG, as text.
//!
//! *Enters:* panels of groups of bars. *Leaves:* a file that browsers show, light or dark as their user has it. *Always:* the same
//! figures make the same picture, byte by byte. The axis is logarithmic, because one query may cost fifty times what another does;
//! a bar says the median, a line on it the slowest and the fastest run. *Absent:* a plotting crate. plotters, with SVG alone four
//! crates, writes a colour into every element, where a dark page can't change it; and of all it can do this needs rectangles,
//! lines and text.

use std::fmt::Write;

use super::System;

/// A row of groups, with an axis of its own.
pub struct Panel {
    pub title: String,
    pub groups: Vec<Group>,
}

/// The bars of a query.
pub struct Group {
    pub name: String,
    pub bars: Vec<Bar>,
    /// What stands below its name.
    pub note: String,
}

/// The rate of a system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    pub system: System,
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const HEAD: f64 = 96.0;
const PANEL_HEAD: f64 = 34.0;
const PLOT_HEIGHT: f64 = 230.0;
const PANEL_FOOT: f64 = 48.0;
const BAR: f64 = 10.0;
const BETWEEN_GROUPS: f64 = 14.0;
const WIDTH_MIN: f64 = 840.0;

/// Colours that people who can't tell red from green can tell apart: in order, for light pages and for dark ones.
const SYSTEMS: [(System, &str, &str, &str); 6] = [
    (System::Tidegate, "tidegate", "#0072b2", "#4aa8e0"),
    (System::TidegateWithSnapshots, "tidegate-snapshots", "#7cb9dd", "#2f6f96"),
    (System::Loop, "loop", "#8a8f98", "#8b929c"),
    (System::Timely, "timely", "#e69f00", "#e8ab2b"),
    (System::Flink, "flink", "#c2477f", "#d9659b"),
    (System::FlinkWithCheckpoints, "flink-checkpoints", "#dba3bf", "#8a3d60"),
];

fn class(system: System) -> &'static str {
    SYSTEMS.iter().find(|(other, ..)| *other == system).map_or("", |(_, class, ..)| class)
}

fn style() -> String {
    let mut style = String::from(
        "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:12px;fill:#1f2328}\
         .page{fill:#fff}.title{font-size:18px;font-weight:600}.panel{font-size:13px;font-weight:600}\
         .quiet{fill:#59636e;font-size:11px}.grid{stroke:#d1d9e0}.spread{stroke:#1f2328;stroke-width:1.2}",
    );
    let mut dark = String::from(
        "text{fill:#e6edf3}.page{fill:#0d1117}.quiet{fill:#9198a1}.grid{stroke:#30363d}.spread{stroke:#f0f6fc}",
    );
    for (_, class, on_light, on_dark) in SYSTEMS {
        let _ = write!(style, ".{class}{{fill:{on_light}}}");
        let _ = write!(dark, ".{class}{{fill:{on_dark}}}");
    }
    format!("{style}@media(prefers-color-scheme:dark){{{dark}}}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A scale from a round figure below all bars to one above.
struct Axis {
    bottom: f64,
    top: f64,
}

impl Axis {
    fn over<'a>(bars: impl Iterator<Item = &'a Bar>) -> Axis {
        let (least, most) =
            bars.fold((f64::MAX, 0f64), |(least, most), bar| (least.min(bar.least), most.max(bar.most)));
        if most <= 0.0 {
            return Axis { bottom: 1.0, top: 10.0 };
        }
        // The least bar is still to be seen.
        let bottom = rounds().rev().find(|round| *round < least * 0.8).unwrap_or(least / 2.0);
        let top = rounds().find(|round| *round >= most).unwrap_or(most);
        Axis { bottom, top }
    }

    /// How far up a figure is, from 0 to 1.
    fn place(&self, figure: f64) -> f64 {
        ((figure / self.bottom).ln() / (self.top / self.bottom).ln()).clamp(0.0, 1.0)
    }

    fn lines(&self) -> impl Iterator<Item = f64> {
        rounds().filter(|round| (self.bottom..=self.top).contains(round))
    }
}

/// 1, 2, 5, 10, 20, 50, ..
fn rounds() -> impl DoubleEndedIterator<Item = f64> {
    (0..12).flat_map(|power| [1.0, 2.0, 5.0].map(|figure| figure * 10f64.powi(power)))
}

fn short(figure: f64) -> String {
    match figure {
        figure if figure >= 1e6 => format!("{} M", figure / 1e6),
        figure if figure >= 1e3 => format!("{} k", figure / 1e3),
        figure => format!("{figure}"),
    }
}

fn width_of(group: &Group) -> f64 {
    group.bars.len() as f64 * BAR + BETWEEN_GROUPS
}

struct Picture(String);

impl Picture {
    fn text(&mut self, at: (f64, f64), class: &str, anchor: &str, text: &str) {
        let ((x, y), text) = (at, escaped(text));
        let _ = writeln!(
            self.0,
            r#"<text x="{x:.1}" y="{y:.1}" class="{class}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.0,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        );
    }

    fn rectangle(&mut self, at: (f64, f64), width: f64, height: f64, class: &str, says: &str) {
        let ((x, y), says) = (at, escaped(says));
        let _ = writeln!(
            self.0,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}"><title>{says}</title></rect>"#
        );
    }

    fn legend(&mut self, panels: &[Panel], y: f64) {
        let has =
            |system| panels.iter().flat_map(|p| &p.groups).flat_map(|g| &g.bars).any(|b| b.system == system);
        let mut x = LEFT;
        for (system, class, ..) in SYSTEMS.into_iter().filter(|(system, ..)| has(*system)) {
            self.rectangle((x, y - 10.0), 12.0, 12.0, class, system.name());
            self.text((x + 18.0, y), "", "start", system.name());
            x += 40.0 + 7.0 * system.name().len() as f64;
        }
        self.text((x, y), "quiet", "start", "bar: median; line: slowest to fastest run");
    }

    fn panel(&mut self, panel: &Panel, y: f64, width: f64) {
        let axis = Axis::over(panel.groups.iter().flat_map(|group| &group.bars));
        let (top, bottom) = (y + PANEL_HEAD, y + PANEL_HEAD + PLOT_HEIGHT);
        let height = |figure: f64| bottom - axis.place(figure) * PLOT_HEIGHT;
        self.text((LEFT, top - 12.0), "panel", "start", &panel.title);
        for round in axis.lines() {
            self.line((LEFT, height(round)), (width - RIGHT, height(round)), "grid");
            self.text((LEFT - 8.0, height(round) + 4.0), "quiet", "end", &short(round));
        }
        let needed: f64 = panel.groups.iter().map(width_of).sum();
        let spare = (width - LEFT - RIGHT - needed) / panel.groups.len().max(1) as f64;
        let mut x = LEFT;
        for group in &panel.groups {
            let share = width_of(group) + spare;
            let middle = x + share / 2.0;
            let mut left = middle - group.bars.len() as f64 * BAR / 2.0;
            for bar in &group.bars {
                let says = format!(
                    "{}, {}: {:.2} M/s, {:.2} to {:.2}",
                    group.name,
                    bar.system.name(),
                    bar.median / 1e6,
                    bar.least / 1e6,
                    bar.most / 1e6
                );
                let up = height(bar.median);
                self.rectangle((left, up), BAR - 1.0, bottom - up, class(bar.system), &says);
                let centre = left + (BAR - 1.0) / 2.0;
                self.line((centre, height(bar.least)), (centre, height(bar.most)), "spread");
                left += BAR;
            }
            self.text((middle, bottom + 17.0), "", "middle", &group.name);
            self.text((middle, bottom + 32.0), "quiet", "middle", &group.note);
            x += share;
        }
    }
}

/// The picture of some panels, one below the other. `notes` says what stands below the names.
pub fn draw(title: &str, machine: &str, notes: &str, panels: &[Panel]) -> String {
    let needed = |panel: &Panel| panel.groups.iter().map(width_of).sum::<f64>() + LEFT + RIGHT;
    let width = panels.iter().map(needed).fold(WIDTH_MIN, f64::max);
    let of_panel = PANEL_HEAD + PLOT_HEIGHT + PANEL_FOOT;
    let height = HEAD + of_panel * panels.len() as f64 + 24.0;
    let mut picture = Picture(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         role=\"img\">\n<title>{}</title>\n<style>{}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
        escaped(title),
        style()
    ));
    picture.text((LEFT, 32.0), "title", "start", title);
    picture.text((LEFT, 52.0), "quiet", "start", machine);
    picture.legend(panels, 80.0);
    for (place, panel) in panels.iter().enumerate() {
        picture.panel(panel, HEAD + of_panel * place as f64, width);
    }
    picture.text((LEFT, height - 12.0), "quiet", "start", notes);
    picture.0 + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(rates: &[f64]) -> Panel {
        let bar = |rate: f64| Bar { system: System::Loop, median: rate, least: rate * 0.9, most: rate * 1.1 };
        let bars = rates.iter().map(|&rate| bar(rate)).collect();
        Panel {
            title: "a <panel>".to_string(),
            groups: vec![Group { name: "q0".to_string(), bars, note: String::new() }],
        }
    }

    #[test]
    fn the_axis_holds_all_bars_and_shows_the_least() {
        let panel = panel(&[1.1e6, 70e6]);
        let axis = Axis::over(panel.groups[0].bars.iter());
        assert_eq!((axis.bottom, axis.top), (5e5, 1e8));
        assert_eq!((axis.place(5e5), axis.place(1e8)), (0.0, 1.0));
        assert!(axis.place(1.1e6 * 0.9) > 0.1);
        assert_eq!(
            axis.lines().map(short).collect::<Vec<_>>().join(" "),
            "500 k 1 M 2 M 5 M 10 M 20 M 50 M 100 M"
        );
    }

    #[test]
    fn a_picture_has_a_bar_a_line_of_spread_and_a_legend_for_each_and_is_the_same_again() {
        let panels = [panel(&[1e6, 2e6])];
        let picture = draw("a & b", "a machine", "", &panels);
        // Two bars, a mark in the legend, the page.
        assert_eq!(picture.matches("<rect ").count(), 4);
        assert_eq!(picture.matches(r#"class="spread""#).count(), 2);
        assert!(picture.contains("<title>a &amp; b</title>") && picture.contains("a &lt;panel&gt;"));
        assert_eq!(picture, draw("a & b", "a machine", "", &panels));
    }

    #[test]
    fn nothing_measured_is_an_empty_panel() {
        assert!(draw("", "", "", &[panel(&[])]).ends_with("</svg>\n"));
    }
}
