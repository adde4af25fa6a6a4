fn parse(line: Line) -> Result<Visit, BadLine> {
    line.text.parse().map_err(|why| line.bad(why))
}
