//! Tables and code in markdown.

/// A table in markdown. The columns whose index is from `right` on are aligned to the right.
pub(super) fn table(head: &[String], right: usize, rows: &[Vec<String>]) -> String {
    let rule = (0..head.len()).map(|column| if column < right { "---" } else { "--:" });
    let rule = format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
    let rows: String = rows.iter().map(|row| line(row)).collect();
    line(head) + &rule + &rows
}

fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', r"\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Code in a sentence, whatever is in it.
pub(super) fn code(text: &str) -> String {
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_head_a_rule_and_its_rows() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        let text = table(&row(["network", "test"]), 1, &[row(["a|b", "1 %"]), row(["c", ""])]);
        assert_eq!(text, "| network | test |\n|---|--:|\n| a\\|b | 1 % |\n| c |  |\n");
    }

    #[test]
    fn code_may_have_backticks() {
        assert_eq!(code("fgn train"), "`fgn train`");
        assert_eq!(code("a`b"), "`` a`b ``");
    }
}
