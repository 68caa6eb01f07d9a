//! How things look. Words and marks tell everything; colours, where there are any, only help to find it.

use ratatui::style::{Color, Modifier, Style};

use crate::output::Tone;

/// The looks, with or without colours.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    color: bool,
}

impl Palette {
    /// With colours, or without.
    pub fn of(color: bool) -> Self {
        Self { color }
    }

    /// How a value looks.
    pub fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Good => self.colored(Color::Green),
            Tone::Warn => self.colored(Color::Yellow),
            Tone::Bad => self.colored(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Dim => self.dim(),
        }
    }

    /// Names of what is shown.
    pub fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The name of the pane that keys act on.
    pub fn in_use(self) -> Style {
        self.colored(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The row that keys act on.
    pub fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Less important.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Bars.
    pub fn bars(self) -> Style {
        self.colored(Color::Cyan)
    }

    /// Wants an answer.
    pub fn question(self) -> Style {
        self.colored(Color::Yellow).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// Something is wrong.
    pub fn alarm(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    fn colored(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }
}
