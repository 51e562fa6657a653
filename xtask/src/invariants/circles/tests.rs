//! Circles planted in small crates, and what is none.

use super::*;

/// The findings in a crate of these files, each with its path below `src` and its text.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let file =
        |&(path, text): &(&str, &str)| File { path: format!("a/src/{path}"), text: text.into() };
    let files: Vec<_> = files.iter().map(file).collect();
    check(&files).iter().map(Finding::to_string).collect()
}

fn assert_none(files: &[(&str, &str)]) {
    assert_eq!(findings(files), Vec::<String>::new());
}

/// Asserts that the crate has one circle, through these files.
fn assert_circle(files: &[(&str, &str)], circle: &str) {
    let found = findings(files);
    assert_eq!(found.len(), 1, "{found:#?}");
    let expected = format!("found a circle of imports, {circle}: ");
    assert!(found[0].contains(&expected), "{expected}\n{}", found[0]);
}

#[test]
fn two_files_that_import_each_other_are_found_with_both_imports() {
    let found = findings(&[
        ("lib.rs", "mod x;\nmod y;\n"),
        ("x.rs", "use crate::y::B;\npub(crate) struct A;\n"),
        ("y.rs", "//! Y.\n\nuse super::x::A;\npub(crate) struct B;\n"),
    ]);
    let expected = "a/src/y.rs:3: found a circle of imports, x.rs -> y.rs -> x.rs: a/src/x.rs:1 imports \
                    `crate::y::B` of y.rs, and a/src/y.rs:3 imports `super::x::A` of x.rs; expected imports \
                    downwards only: what files share in a file below them";
    assert_eq!(found, [expected]);
}

#[test]
fn three_files_in_a_circle_are_one_finding() {
    let files = [
        ("lib.rs", "mod x; mod y; mod z;"),
        ("x.rs", "use crate::y::{self, B}; struct A;"),
        ("y.rs", "use super::z::C as D; struct B;"),
        ("z.rs", "fn f(a: crate::x::A) {} struct C;"),
    ];
    assert_circle(&files, "x.rs -> y.rs -> z.rs -> x.rs");
}

#[test]
fn files_that_other_circles_join_are_named_in_the_same_finding() {
    let found = findings(&[
        ("lib.rs", "mod x; mod y; mod z;"),
        ("x.rs", "use crate::y::B; struct A;"),
        ("y.rs", "use crate::{x::A, z::C}; struct B;"),
        ("z.rs", "use crate::y::B; struct C;"),
    ]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("x.rs -> y.rs -> x.rs"), "{}", found[0]);
    assert!(found[0].contains("; other circles join it to z.rs;"), "{}", found[0]);
}

#[test]
fn an_import_through_the_root_counts_for_the_file_that_defines_the_name() {
    let found = findings(&[
        ("lib.rs", "mod x; mod inner; pub use inner::B; pub use x::A;"),
        ("inner/mod.rs", "mod y; pub use self::y::Renamed as B;"),
        ("inner/y.rs", "use crate::{A, x};\npub struct Renamed;"),
        ("x.rs", "pub struct A;\nfn f() { super::B::new() }"),
    ]);
    assert_eq!(found.len(), 3, "{found:#?}");
    let through_root = "a/src/inner/y.rs:1: found `A` by way of the crate's root, which re-exports it; expected an \
                        import from where it is defined: `crate::x::A`";
    assert!(found.contains(&through_root.to_string()), "{found:#?}");
    let through_root = "a/src/x.rs:2: found `B` by way of the crate's root, which re-exports it; expected an import \
                        from where it is defined: `crate::inner::y::Renamed`";
    assert!(found.contains(&through_root.to_string()), "{found:#?}");
    assert!(found[2].contains("inner/y.rs -> x.rs -> inner/y.rs"), "{}", found[2]);
}

#[test]
fn what_the_root_takes_from_another_crate_is_imported_from_there() {
    let found = findings(&[
        ("lib.rs", "mod x; mod y; pub use other::B; pub type Own = u8;"),
        ("x.rs", "use crate::{B, Own};"),
        ("y.rs", "use crate::x; use other::B;"),
    ]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].ends_with("where it is defined: `other::B`"), "{}", found[0]);
}

#[test]
fn a_module_that_only_places_and_names_its_children_is_on_no_circle() {
    let files = [
        ("lib.rs", "mod x;"),
        ("x/mod.rs", "mod y; pub use y::B; pub struct A;"),
        ("x/y.rs", "use super::A; pub struct B(A);"),
    ];
    assert_none(&files);
}

#[test]
fn a_module_that_uses_its_child_which_uses_it_is_a_circle() {
    let child = "use super::A; pub struct B(A); pub fn make() {}";
    for parent in [
        "mod y; pub use y::B; pub struct A; fn f(b: B) {}",
        "mod y; pub use y::*; pub struct A; fn f(b: B) {}",
        "mod y; use y::B; pub struct A;",
        "mod y; pub struct A; fn f() { y::make() }",
        "mod y; pub struct A; fn f() { vec![y::make()] }",
        "mod y; pub struct A; fn f() { use y::*; }",
    ] {
        let files = [("lib.rs", "mod x;"), ("x/mod.rs", parent), ("x/y.rs", child)];
        assert_circle(&files, "x/mod.rs -> x/y.rs -> x/mod.rs");
    }
}

#[test]
fn a_child_that_only_extends_a_type_is_one_place_with_the_module() {
    let files = [
        ("lib.rs", "mod x; mod z;"),
        ("x.rs", "mod y; pub struct A; fn f(a: A) { a.more() }"),
        (
            "x/y.rs",
            "use super::A; use crate::z::C; impl<T: Into<C>> From<T> for A { fn more(self) {} }",
        ),
        ("z.rs", "pub struct C;"),
    ];
    assert_none(&files);
    let files = [files[0], files[1], files[2], ("z.rs", "use crate::x::A; pub struct C(A);")];
    assert_circle(&files, "x.rs -> z.rs -> x.rs");
}

#[test]
fn tests_may_import_from_anywhere() {
    let files = [
        ("lib.rs", "mod x; mod y; pub use x::A; #[cfg(test)] mod testing;"),
        ("x.rs", "pub struct A; #[cfg(test)] mod tests { use crate::{A, y::B}; }"),
        (
            "y.rs",
            "use crate::x::A; pub struct B; #[cfg(all(test, unix))] mod tests; \
             impl B { #[cfg(test)] fn f<C, D>(a: crate::A) { crate::A } }",
        ),
        ("y/tests.rs", "use crate::A; use super::B;"),
        ("testing.rs", "use crate::A;"),
    ];
    assert_none(&files);
}

#[test]
fn a_field_a_variable_and_a_function_of_that_name_are_no_imports() {
    let files = [
        ("lib.rs", "mod x; mod y; pub use y::open;"),
        (
            "x.rs",
            "pub use crate::y::open; pub struct A { open: u8 } \
             impl A { fn open(&self) -> u8 { let open = self.open(); open + 0 } fn f<'open>(x: &'open u8) {} }",
        ),
        ("y.rs", "use crate::x::A; pub fn open<'a>(a: &'a A) -> impl Fn() + use<'a> {}"),
    ];
    assert_none(&files);
}

#[test]
fn modules_in_braces_belong_to_their_file() {
    let files = [
        ("lib.rs", "mod x; mod y; pub mod probe { pub use crate::x::inside::A; }"),
        (
            "x.rs",
            "pub mod inside { use super::super::y::B; pub struct A(B); } const fn f() {} use inside::A;",
        ),
        ("y.rs", "use crate::probe::A; pub struct B;"),
    ];
    assert_circle(&files, "x.rs -> y.rs -> x.rs");
}

#[test]
fn each_program_of_a_package_is_a_crate_of_its_own() {
    let files = [
        ("lib.rs", "pub fn f() {}"),
        ("bin/one.rs", "use a::f; fn main() {}"),
        ("bin/two/main.rs", "mod x; mod y; fn main() { x::f() }"),
        ("bin/two/x.rs", "use crate::y::B; pub fn f() {}"),
        ("bin/two/y.rs", "use crate::x::f; pub struct B;"),
    ];
    assert_circle(&files, "bin/two/x.rs -> bin/two/y.rs -> bin/two/x.rs");
}

#[test]
fn files_that_a_registry_declares_are_modules() {
    let registry = "macro_rules! all { ($($file:ident::$kind:ident)*) => { $(mod $file;)* } }";
    let parent = format!("mod kind; {registry}\nall! {{ a::A b::B }}\npub(crate) fn f() {{}}");
    assert_none(&[
        ("lib.rs", "mod kinds;"),
        ("kinds/mod.rs", &parent),
        ("kinds/kind.rs", "pub(crate) trait Kind {}"),
        ("kinds/a.rs", "use super::kind::Kind; use super::b::B; struct A; impl Kind for A {}"),
        ("kinds/b.rs", "use super::kind::Kind; pub(super) struct B; impl Kind for B {}"),
    ]);
    assert_circle(
        &[
            ("lib.rs", "mod kinds;"),
            ("kinds/mod.rs", &parent),
            ("kinds/kind.rs", "pub(crate) trait Kind {}"),
            ("kinds/a.rs", "use super::b::B; pub(super) struct A;"),
            ("kinds/b.rs", "use super::a::A; pub(super) struct B;"),
        ],
        "kinds/a.rs -> kinds/b.rs -> kinds/a.rs",
    );
}
