//! What is drawn beside letters, for terminals with and without Unicode.

/// The signs.
pub struct Glyphs {
    /// Before the row that keys act on.
    pub cursor: &'static str,
    /// A horizontal rule.
    pub rule: &'static str,
    /// In place of what does not fit.
    pub cut: &'static str,
    /// Bars, the lowest first.
    bars: &'static [&'static str],
    /// Done and not done.
    gauge: (&'static str, &'static str),
}

const UNICODE: Glyphs = Glyphs {
    cursor: "▶",
    rule: "─",
    cut: "…",
    bars: &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    gauge: ("█", "░"),
};
const ASCII: Glyphs =
    Glyphs { cursor: ">", rule: "-", cut: "~", bars: &[" ", "_", ".", "-", "=", "+", "*", "#"], gauge: ("#", "-") };

impl Glyphs {
    /// Those that the terminal can show.
    pub fn of(unicode: bool) -> &'static Self {
        if unicode { &UNICODE } else { &ASCII }
    }

    /// The last values as bars, the highest of them as high as a line is, the newest at the right end.
    pub fn bars(&self, values: &[f64], width: usize) -> String {
        let values = &values[values.len().saturating_sub(width)..];
        let most = values.iter().copied().fold(0.0, f64::max);
        let steps = self.bars.len() - 1;
        let bar = |value: &f64| match *value {
            value if value <= 0.0 => self.bars[0],
            // Anything at all can be seen.
            value => self.bars[((value / most * steps as f64).round() as usize).clamp(1, steps)],
        };
        " ".repeat(width - values.len()) + &values.iter().map(bar).collect::<String>()
    }

    /// A part of a whole as a bar.
    pub fn gauge(&self, part: f64, width: usize) -> String {
        let done = ((part.clamp(0.0, 1.0) * width as f64).floor() as usize).min(width);
        self.gauge.0.repeat(done) + &self.gauge.1.repeat(width - done)
    }

    /// Text that fits, its end cut off where it must be, or its beginning.
    pub fn fit(&self, text: &str, width: usize, keeps_end: bool) -> String {
        if !keeps_end {
            return console::truncate_str(text, width, self.cut).into_owned();
        }
        let mut rest = text.chars();
        let mut cut = "";
        while console::measure_text_width(rest.as_str()) + cut.len().min(1) > width && rest.next().is_some() {
            cut = self.cut;
        }
        format!("{cut}{}", rest.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_value_fills_the_line_and_the_least_is_seen() {
        let glyphs = Glyphs::of(true);
        assert_eq!(glyphs.bars(&[0.0, 0.1, 50.0, 100.0], 6), "   ▁▄█");
        assert_eq!(glyphs.bars(&[9.0, 1.0, 1.0], 2), "██", "what is out of sight sets no scale");
        assert_eq!(glyphs.bars(&[], 3), "   ");
        assert_eq!(glyphs.bars(&[0.0, 0.0], 3), "   ");
        assert_eq!(Glyphs::of(false).bars(&[0.0, 1.0, 7.0], 3), " _#");
    }

    #[test]
    fn a_gauge_is_full_only_at_the_end() {
        let gauge = |part| Glyphs::of(false).gauge(part, 4);
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(gauge), ["----", "##--", "###-", "####"]);
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let fit = |text, keeps_end| Glyphs::of(true).fit(text, 8, keeps_end);
        assert_eq!([fit("roi-distribution", false), fit("roi-distribution", true)], ["roi-dis…", "…ibution"]);
        assert_eq!([fit("12345678", true), fit("", true)], ["12345678", ""]);
        assert_eq!(Glyphs::of(false).fit("日本語日本語", 8, true), "~日本語");
    }
}
