//! Which classes are taken for which.

use fgn_train::Learner;
use maud::{Markup, html};

use super::outcomes::Confusion;
use super::section::Section;
use super::subject::Subject;
use super::text::percent;
use crate::grouped::grouped;

/// Of more classes the most frequent confusions are listed, in place of a table of all.
const MOST_CLASSES: usize = 30;
const CONFUSIONS: usize = 30;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>, confusion: &Confusion) -> Section {
    let names: Vec<String> = (0..confusion.classes).map(|class| of.name(class)).collect();
    let body = match confusion.classes <= MOST_CLASSES {
        true => table(confusion, &names),
        false => html! {
            p { (confusion.classes) " classes are too many for a table of all; these are most often \
                 taken for each other." }
            (frequent(confusion, &names))
        },
    };
    Section { id: "confusion", title: "Confusion matrix", body }
}

fn table(confusion: &Confusion, names: &[String]) -> Markup {
    let classes = 0..confusion.classes as u32;
    let row = |target: u32| -> usize {
        classes.clone().map(|predicted| confusion.count(target, predicted)).sum()
    };
    let column = |predicted: u32| -> usize {
        classes.clone().map(|target| confusion.count(target, predicted)).sum()
    };
    let share = |class: u32, all: usize| match all {
        0 => "–".into(),
        all => percent(confusion.count(class, class) as f64 / all as f64),
    };
    html! {
        p.hint {
            "A row for each true class, a column for each that was predicted. Blue is right, orange wrong: \
             the stronger, the larger the share of the row."
        }
        div.scroll tabindex="0" {
            table.confusion {
                thead {
                    tr {
                        th.corner scope="col" { "true ↓ predicted →" }
                        @for predicted in classes.clone() {
                            th scope="col" title=(name(names, predicted)) { (name(names, predicted)) }
                        }
                        th.total scope="col" { "all" }
                        th.total scope="col" { "recall" }
                    }
                }
                tbody {
                    @for target in classes.clone() {
                        tr {
                            th scope="row" title=(name(names, target)) { (name(names, target)) }
                            @for predicted in classes.clone() {
                                (cell(confusion.count(target, predicted), row(target), target == predicted))
                            }
                            td.total { (grouped(row(target))) }
                            td.total { (share(target, row(target))) }
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" { "precision" }
                        @for predicted in classes.clone() { td.total { (share(predicted, column(predicted))) } }
                        td {} td {}
                    }
                }
            }
        }
    }
}

fn cell(count: usize, of: usize, right: bool) -> Markup {
    if count == 0 {
        return html! { td.zero { "·" } };
    }
    let share = count as f64 / of.max(1) as f64;
    // Few mistakes are to be seen too: the root makes small shares larger.
    let (colour, strength) = match right {
        true => ("31,119,180", 0.15 + 0.75 * share),
        false => ("214,93,14", 0.12 + 0.78 * share.sqrt()),
    };
    let class = if strength > 0.6 { "strong" } else { "weak" };
    html! {
        td class=(class) style=(format!("background:rgba({colour},{strength:.2})")) { (grouped(count)) }
    }
}

fn frequent(confusion: &Confusion, names: &[String]) -> Markup {
    let mut wrong: Vec<_> =
        confusion.counts.iter().filter(|((target, predicted), _)| target != predicted).collect();
    if wrong.is_empty() {
        return html! { p.none { "No test sample was taken for one of another class." } };
    }
    wrong.sort_by_key(|&(pair, count)| (std::cmp::Reverse(*count), *pair));
    html! {
        div.scroll tabindex="0" {
            table.numbers {
                thead { tr {
                    th scope="col" { "True" } th scope="col" { "Predicted" } th scope="col" { "Times" }
                } }
                tbody { @for &(&(target, predicted), &count) in wrong.iter().take(CONFUSIONS) { tr {
                    th scope="row" { (name(names, target)) }
                    td { (name(names, predicted)) }
                    td { (grouped(count)) }
                } } }
            }
        }
    }
}

fn name(names: &[String], class: u32) -> &str {
    names.get(class as usize).map_or("?", String::as_str)
}
