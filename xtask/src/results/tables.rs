//! All tables of results, in the order in which they are listed. A table is one file.

mod forgetting;
mod images;
mod long_memory;
mod mnist;
mod pixels;
mod recommendation;
mod sound;
mod text;

use super::table::Table;

/// Every table.
pub(super) fn all() -> Vec<Table> {
    vec![
        mnist::network(),
        mnist::rows(),
        pixels::table(),
        long_memory::table(),
        images::table(),
        text::table(),
        sound::table(),
        recommendation::shop(),
        recommendation::movielens(),
        recommendation::msnbc(),
        forgetting::table(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::page::page;
    use super::super::testing::store;
    use super::*;

    #[test]
    fn every_table_and_every_run_has_a_name_of_its_own() {
        let (_folder, store) = store();
        let (mut tables, mut runs) = (HashSet::new(), HashSet::new());
        for table in all() {
            assert!(tables.insert(table.name), "{}", table.name);
            for experiment in table.experiments() {
                for planned in experiment.plan(table.name, None, &store).unwrap().runs {
                    let name = planned.run.name;
                    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-./".contains(c);
                    assert!(name.chars().all(is_plain), "{name}");
                    assert!(runs.insert(name.clone()), "{name}");
                }
            }
        }
        assert!(runs.len() > 100);
    }

    #[test]
    fn every_run_has_a_command_of_its_own_in_its_table() {
        let (_folder, store) = store();
        for table in all() {
            let mut commands = HashSet::new();
            for experiment in table.experiments() {
                for planned in experiment.plan(table.name, None, &store).unwrap().runs {
                    let command = planned.run.command();
                    assert!(commands.insert(command.clone()), "{}: {command}", table.name);
                }
            }
        }
    }

    #[test]
    fn every_run_has_an_estimate() {
        let (_folder, store) = store();
        for table in all() {
            for experiment in table.experiments() {
                for planned in experiment.plan(table.name, None, &store).unwrap().runs {
                    let minutes = planned.run.minutes;
                    assert!(minutes > 0.0 && minutes < 600.0, "{}: {minutes}", planned.run.name);
                }
            }
        }
    }

    #[test]
    fn every_table_is_printed_without_a_run() {
        let (_folder, store) = store();
        for table in all() {
            let page = page(&table, None, &store);
            assert_eq!(page.problems, Vec::<String>::new(), "{}", table.name);
            assert!(page.text.starts_with(&format!("## {}\n", table.title)), "{}", page.text);
            let lines = page.text.lines().filter(|line| line.starts_with('|')).count();
            assert!(lines >= table.rows() + 2, "{}", page.text);
        }
    }
}
