//! Which reader a path finds, what a recipe says, and the data set `shop`.

use std::path::Path;

use fgn_data::{DataConfig, Error, SessionSplit, Share};

use super::*;

#[test]
fn logs_are_known_by_their_ending_and_tables_by_their_options() {
    let folder = Folder::new();
    let open = |config: &DataConfig| config.open(&mut |_| ());
    let new = |path: &Path| DataConfig::new(path.to_str().unwrap());
    let lines = folder.write("a.seq", "x y x\ny x\nx y\ny x y\nx x\n");
    let data = open(&new(&lines)).unwrap();
    assert!(InteractionLogs::suits(data.train.schema()));
    assert_eq!(data.train.windows().unwrap().steps(), 6);
    let inter = "user_id:token\titem_id:token\n1\tx\n1\ty\n2\ty\n2\tx\n";
    let inter = folder.write("a.inter", inter);
    assert!(open(&new(&inter)).is_ok());
    let table = folder.write("a.csv", "s,i,t\n1,x,1\n1,y,2\n2,y,3\n2,x,4\n");
    let error = open(&new(&table)).unwrap_err().to_string();
    assert!(error.contains("data.series.target"), "{error}");
    let config = DataConfig { sessions: options(), ..new(&table) };
    let data = open(&config).unwrap();
    assert_eq!(
        (texts(&*data.train), texts(&*data.test)),
        (vec!["1: x y".into()], vec!["2: y x".into()])
    );
    // A model of items finds the reader by itself.
    let like = Like::of(&*data.train);
    let read = config.read(&lines, &like, &mut |_| ()).unwrap();
    assert_eq!(read.len(), 5);
    let text = folder.write("a.txt", "x y");
    let error = config.read(&text, &like, &mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::OtherKind { .. }), "{error}");
}

#[test]
fn a_recipe_says_all_options() {
    let text = "source = \"log.csv\"\nvalidation = 0.1\n\n[sessions]\nsession = \"who\"\nitem = \"what\"\n\
                time = \"when\"\ndelimiter = \";\"\nheader = false\nquotes = false\nmin_support = 5\n\
                min_length = 3\ndeduplicate = true\nsplit = \"leave-one-out\"\nbatches = \"padded\"\n\
                window = 20\nmax_length = 50\nmemory = 1000\n";
    let mut config: DataConfig = toml::from_str(text).unwrap();
    let expected = SessionOptions {
        session: "who".into(),
        item: "what".into(),
        time: Some("when".into()),
        delimiter: Some(';'),
        header: false,
        quotes: false,
        min_support: 5,
        min_length: 3,
        deduplicate: true,
        split: SessionSplit::LeaveOneOut,
        batches: SessionBatches::Padded,
        window: 20,
        max_length: 50,
        memory: 1000,
    };
    assert_eq!(config.sessions, expected);
    assert_eq!(toml::from_str(&toml::to_string(&config).unwrap()), Ok(config.clone()));
    for (split, name) in [(SessionSplit::Time, "time"), (SessionSplit::Sessions, "sessions")] {
        let sessions: SessionOptions = toml::from_str(&format!("split = \"{name}\"")).unwrap();
        assert_eq!(sessions, SessionOptions { split, ..SessionOptions::default() });
    }
    assert!(toml::from_str::<SessionOptions>("sesion = \"who\"").is_err());

    // What was read is read alike from its settled configuration.
    let folder = Folder::new();
    let file = folder.write("a.csv", "s,i,t\n1,x,1\n1,y,2\n2,y,3\n2,x,4\n3,y,5\n3,y,6\n");
    config = DataConfig { sessions: options(), ..DataConfig::new(file.to_str().unwrap()) };
    config.test = Share::Count(1);
    let data = config.open(&mut |_| ()).unwrap();
    let mut settled = config.clone();
    settled.settle(&data).unwrap();
    let settled: DataConfig = toml::from_str(&toml::to_string(&settled).unwrap()).unwrap();
    let again = settled.open(&mut |_| ()).unwrap();
    for (one, other) in [(&data.train, &again.train), (&data.test, &again.test)] {
        assert_eq!(one.fingerprint().unwrap(), other.fingerprint().unwrap());
        assert_eq!(one.schema(), other.schema());
    }
}

#[test]
fn the_shop_is_open() {
    let data = fgn_data::open("shop").unwrap();
    let valid = data.valid.as_ref().unwrap();
    assert_eq!((valid.len(), data.test.len()), (2_000, 4_000));
    assert_eq!(catalogue(&*data.train).len(), 300);
    assert_eq!((data.test.title(0), data.train.title(0)), ("session 1".into(), "session 1".into()));
    assert!(data.train.windows().is_some());
    let like = Like::of(&*data.train);
    let read =
        |like: &Like| DataConfig::new("elsewhere").read(Path::new("shop"), like, &mut |_| ());
    let test = read(&like).unwrap();
    assert_eq!(test.fingerprint().unwrap(), data.test.fingerprint().unwrap());
    assert_eq!(read(&like.unlabelled()).unwrap().schema().target, TargetSchema::None);
    let padded = DataConfig {
        sessions: SessionOptions { batches: SessionBatches::Padded, ..SessionOptions::default() },
        ..DataConfig::new("shop")
    };
    assert_eq!(padded.open(&mut |_| ()).unwrap().train.len(), 200_000);
    let filtered = DataConfig {
        sessions: SessionOptions { window: 0, ..SessionOptions::default() },
        ..DataConfig::new("shop")
    };
    assert!(filtered.open(&mut |_| ()).is_err());
}
