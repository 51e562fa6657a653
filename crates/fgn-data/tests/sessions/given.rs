//! Logs for a model that was trained on another.

use super::*;

fn model(folder: &Folder) -> Like {
    let log = "s,i,t\na,x,1\na,y,2\na,x,3\nb,z,1\nb,x,2\n";
    Like::of(&*folder.read(("train.csv", log), &options(), None).unwrap())
}

#[test]
fn items_are_those_of_the_model() {
    let folder = Folder::new();
    let like = model(&folder);
    let rare = SessionOptions { min_support: 100, batches: SessionBatches::Parallel, ..options() };
    let log = "s,i,t\nc,z,1\nc,new,2\nc,y,3\nd,new,4\nd,x,5\ne,newer,6\nf,y,7\n";
    let (found, lines) = logged(|| folder.read(("a.csv", log), &rare, Some(&like)).unwrap());
    assert_eq!(found.schema(), &like.schema);
    like.check(&*found).unwrap();
    // Of d one known item is left, and e and f are short.
    assert_eq!(texts(&*found), ["c: z y"]);
    let name = folder.0.path().join("a.csv");
    let name = name.display();
    assert_eq!(
        lines,
        [
            format!(
                "INFO {name}: left out 2 sessions of fewer than 2 events, 0 events of 0 rare items, and 0 repeated events"
            ),
            format!(
                "WARN {name}: left out 3 events of items that the catalogue lacks, as \"new\", \"newer\""
            ),
        ]
    );
    let error = folder.read(("a.csv", "s,i,t\nd,new,4\nd,x,5\n"), &options(), Some(&like));
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "found no session of 2 or more events, 2 of them of known items, expected at least one"
        ),
        "{error}"
    );
}

#[test]
fn what_follows_a_session_is_to_be_predicted() {
    let folder = Folder::new();
    let like = model(&folder).unlabelled();
    let log =
        "s,i,t\nc,z,1\nc,new,2\nc,y,3\nd,new,4\nd,x,5\ne,newer,6\nf,x,7\nf,y,8\nf,x,9\nf,z,9\n";
    let options = SessionOptions { max_length: 3, min_length: 9, ..options() };
    let found = folder.read(("a.csv", log), &options, Some(&like)).unwrap();
    assert_eq!(
        (&found.schema().input, &found.schema().target),
        (&like.schema.input, &TargetSchema::None)
    );
    like.check(&*found).unwrap();
    let batch = found.batch(&[0, 1, 2], &Device::Cpu).unwrap();
    // x is 0, y is 1, z is 2: the last three items at most.
    assert_eq!(batch.input().tensor().to_vec2::<u32>().unwrap(), [[2, 1, 0], [0, 0, 0], [1, 0, 2]]);
    assert_eq!(batch.input().lengths(), Some(&[2, 1, 3][..]));
    assert_eq!(batch.target().tensor().to_vec1::<u32>().unwrap(), [0, 0, 0]);
    assert!(batch.resets().is_none());
    assert_eq!([0, 1, 2].map(|at| found.title(at)), ["c", "d", "f"]);
    let error = folder.read(("a.csv", "s,i,t\ne,newer,6\n"), &options, Some(&like));
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("found no event of a known item, expected at least one"), "{error}");
    // Lines are read like tables.
    let lines = folder.read(("a.seq", "z new y\nnew\nx"), &options, Some(&like)).unwrap();
    assert_eq!((lines.len(), lines.title(1)), (2, "line 3".into()));
}

#[test]
fn models_of_other_kinds_are_refused() {
    let folder = Folder::new();
    let mut like = model(&folder);
    like.schema.target = TargetSchema::NextToken { vocabulary: 3 };
    assert!(!InteractionLogs::suits(&like.schema));
    let error = folder.read(("a.seq", "x y"), &options(), Some(&like)).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "expected sequences over a vocabulary of 3 tokens, as in the data trained on"
        ),
        "{error}"
    );
}
