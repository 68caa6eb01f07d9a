//! What the columns of a table are called and hold.

use super::kind::Kind;

/// A column: its name for programs, its title for people, and what its cells hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, as in `total_amount`: the key in JSON, and the header that is read back.
    pub name: String,
    /// The title, as in `Total amount`: the header where [`Heading::Titles`](super::Heading::Titles) is asked for.
    pub title: String,
    /// What the cells hold.
    pub kind: Kind,
}

impl Column {
    /// A column whose title is its name.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        let name = name.into();
        Self { title: name.clone(), name, kind }
    }

    /// The same column with a title.
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_titled_by_its_name_unless_said() {
        let column = Column::new("total_amount", Kind::Decimal { scale: 2 });
        assert_eq!(column.title, "total_amount");
        assert_eq!(column.titled("Total amount").title, "Total amount");
    }
}
