//! A section of the report.

use maud::{Markup, html};

/// A part of the page under a heading.
pub(super) struct Section {
    /// What links name it by.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) body: Markup,
}

impl Section {
    /// A section that says why it has nothing to show.
    pub(super) fn left_out(id: &'static str, title: &'static str, why: &str) -> Section {
        Section { id, title, body: html! { p.none { (why) } } }
    }
}
