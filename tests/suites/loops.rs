//! Jobs in which records go round: their answers are those of a plain loop, and killed or stopped they go on where they were.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::thread::sleep;

use crate::support::{Program, Random, reader};

/// Who hangs together, by a plain loop: the least number in the component of every node.
fn components(edges: &[(u64, u64)]) -> BTreeMap<u64, u64> {
    let mut least: BTreeMap<u64, u64> = edges.iter().flat_map(|&(a, b)| [(a, a), (b, b)]).collect();
    loop {
        let before = least.clone();
        for (a, b) in edges {
            let both = least[a].min(least[b]);
            least.insert(*a, both);
            least.insert(*b, both);
        }
        if least == before {
            return least;
        }
    }
}

/// The rank of every page in millionths, by rounds over all of them.
fn ranks(pages: &BTreeMap<u64, Vec<u64>>) -> BTreeMap<u64, f64> {
    let mut ranks: BTreeMap<u64, f64> = pages.keys().map(|page| (*page, 0.15)).collect();
    for _ in 0..400 {
        let mut next: BTreeMap<u64, f64> = pages.keys().map(|page| (*page, 0.15)).collect();
        for (page, links) in pages {
            for link in links {
                *next.get_mut(link).unwrap() += 0.85 * ranks[page] / links.len() as f64;
            }
        }
        ranks = next;
    }
    ranks.into_iter().map(|(page, rank)| (page, rank * 1e6)).collect()
}

/// Holds what is in a directory of results against the ranks by rounds.
fn assert_ranks(out: &Path, pages: &BTreeMap<u64, Vec<u64>>) {
    let results = reader::results(out);
    let found: BTreeMap<u64, f64> = results
        .iter()
        .map(|result| (result["page"].as_u64().unwrap(), result["rank"].as_f64().unwrap()))
        .collect();
    assert_eq!(found.len(), results.len(), "a page has two ranks");
    let expected = ranks(pages);
    assert_eq!(found.len(), expected.len(), "pages are missing");
    // What all pages together may keep back, for one page: and half a millionth, by rounding.
    let most = 1e-7 * 1e6 * pages.len() as f64 * 0.85 / 0.15 + 0.5;
    for (page, expected) in expected {
        let found = found[&page];
        assert!((found - expected).abs() <= most, "page {page} has {found}, and should have {expected}");
    }
}

fn write_pages(pages: &BTreeMap<u64, Vec<u64>>) -> String {
    let mut text = String::new();
    for (page, links) in pages {
        write!(text, "{page}").unwrap();
        links.iter().for_each(|link| write!(text, " {link}").unwrap());
        text.push('\n');
    }
    text
}

#[test]
fn components_are_those_that_a_plain_loop_finds() {
    let mut random = Random::of_test("components_are_those_that_a_plain_loop_finds");
    for parallelism in [1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        // Long chains, which take many rounds, and a few edges between any two.
        let chains = (0..600).map(|node| (node, node + 1 + 3 * u64::from(node % 50 == 49)));
        let others = (0..20).map(|_| (random.below(700), random.below(700)));
        let edges: Vec<(u64, u64)> = chains.chain(others).collect();
        let text: String = edges.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
        std::fs::write(dir.path().join("edges.txt"), text).unwrap();
        Program::example("components")
            .in_dir(dir.path())
            .args(&format!(
                "--edges edges.txt --output out --rejects rejects --quiet --parallelism {parallelism}"
            ))
            .run()
            .success();
        let results = reader::results(&dir.path().join("out"));
        let found: BTreeMap<u64, u64> = results
            .iter()
            .map(|result| (result["node"].as_u64().unwrap(), result["component"].as_u64().unwrap()))
            .collect();
        assert_eq!(found.len(), results.len(), "a node is in two components");
        assert_eq!(found, components(&edges));
    }
}

/// Every rank is a sum of what went round: nothing may be lost, and nothing come twice.
#[test]
fn a_tolerance_that_no_rank_comes_below_is_refused() {
    for tolerance in ["0", "-1", "NaN"] {
        let flag = format!("--tolerance={tolerance}");
        Program::example("pagerank")
            .arg(&flag)
            .run()
            .refused(2, &["--tolerance", "is never reached", "hint: "]);
    }
}

#[test]
fn ranks_of_a_job_that_is_killed_and_stopped_at_random_moments_are_those_that_rounds_over_all_pages_give() {
    let mut random = Random::of_test("ranks_of_a_job_that_is_killed_and_stopped");
    let pages: BTreeMap<u64, Vec<u64>> = (0..3_000)
        .map(|page| {
            let links = (0..random.below(6)).map(|_| random.below(3_000).min(random.below(3_000)));
            (page, links.collect())
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pages.txt"), write_pages(&pages)).unwrap();
    let job = |random: &mut Random| {
        let mode = random.one_of(&["aligned", "unaligned"]);
        let parallelism = 1 + random.below(3);
        Program::example("pagerank").in_dir(dir.path()).args(&format!(
            "--pages pages.txt --output out --rejects rejects --snapshot-dir snapshots --restore latest --parallelism {parallelism} --snapshot-mode {mode}"
        ))
    };
    for death in 1..=16 {
        let life = random.millis(60, 500);
        // In no life can it come further than a twentieth.
        let rate = (pages.len() as f64 / 20.0 / life.as_secs_f64()) as usize;
        let running =
            job(&mut random).args(&format!("--quiet --snapshot-interval 40ms --max-rate {rate}")).spawn();
        sleep(life);
        let outcome = if death % 3 == 0 { running.terminate() } else { running.kill() };
        assert!(death % 3 == 0 || outcome.signal() == Some(9), "it ended before death {death}: {outcome}");
        assert!(
            reader::results(&dir.path().join("out")).is_empty(),
            "ranks are known when nothing goes round any more"
        );
    }
    job(&mut random).run().success();
    assert_ranks(&dir.path().join("out"), &pages);
}
