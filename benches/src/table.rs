//! A table of text, and how numbers stand in it.

/// Columns of text, each as wide as its widest cell.
#[derive(Debug, Clone, Default)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new<T: AsRef<str>>(headings: &[T]) -> Self {
        Self(vec![headings.iter().map(|heading| heading.as_ref().to_owned()).collect()])
    }

    /// Adds a line.
    pub fn line(&mut self, cells: Vec<String>) {
        self.0.push(cells);
    }

    /// The table as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |line: &[String], column: usize| line.get(column).cloned().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.0.iter().map(|line| cell(line, column).chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for (number, line) in self.0.iter().enumerate() {
            for (column, &width) in widths.iter().enumerate() {
                let cell = cell(line, column);
                let padded = if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
                text += &format!("| {padded} ");
            }
            text += "|\n";
            if number == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    text += &format!("|{}{}", "-".repeat(width + 1), if column == 0 { "-" } else { ":" });
                }
                text += "|\n";
            }
        }
        text
    }
}

/// How many times.
#[must_use]
pub fn ratio(ratio: f64) -> String {
    if ratio >= 10.0 { format!("{ratio:.0}") } else { format!("{ratio:.1}") }
}

/// A number with three digits and a letter for its size.
#[must_use]
pub fn quantity(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2}M", value / 1e6),
        value if value >= 1e5 => format!("{:.0}k", value / 1e3),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

/// Nanoseconds as microseconds.
#[must_use]
pub fn microseconds(ns: f64) -> String {
    match ns / 1e3 {
        us if us >= 1e4 => format!("{:.0}k", us / 1e3),
        us if us >= 10.0 => format!("{us:.0}"),
        us => format!("{us:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["a", "bb"]);
        table.line(vec!["ccc".to_owned(), "d".to_owned()]);
        assert_eq!(table.to_markdown(), "| a   | bb |\n|-----|---:|\n| ccc |  d |\n");
    }

    #[test]
    fn quantities_have_three_digits() {
        assert_eq!([4.0, 1234.0, 123_456.0, 1_234_567.0].map(quantity), ["4", "1.2k", "123k", "1.23M"]);
    }
}
