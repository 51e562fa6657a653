//! The names of whole numbers in eight languages, as samples for a classifier of languages.
//!
//! Each language has one spelling for a number, by its usual rules:
//!
//! - English is British: "and" before the tens ("one hundred and one").
//! - German, Italian and Swedish write a number as one word. German begins with "ein"
//!   ("eintausendeinhundert"), Swedish with "ett" ("ettusenetthundra").
//! - French has the spelling before 1990: hyphens below one hundred only, and none around "et".
//! - Dutch has a space after "duizend", and counts in thousands: "duizend honderd", not "elfhonderd".
//! - Portuguese is European ("dezasseis", "catorze").

use std::collections::HashMap;

use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// The languages. A sample's class is an index in this list.
pub(crate) const LANGUAGES: &[&str] =
    &["english", "german", "french", "spanish", "italian", "dutch", "portuguese", "swedish"];

const SPELLERS: [fn(u32) -> String; LANGUAGES.len()] =
    [english, german, french, spanish, italian, dutch, portuguese, swedish];

/// Numbers that have a name are below this.
const END: u32 = 10_000;

/// Numbers below this are in [`samples`] in every language where their names are unambiguous.
const ALWAYS: u32 = 100;

const SAMPLES_PER_LANGUAGE: usize = 500;

/// The data set: pairs of a name and the index of its language, 500 for each language, the languages one
/// after the other. It is always the same.
///
/// A language has its numbers below 100 and random ones above. A name that two languages share, such as
/// "mille", is in neither.
pub(crate) fn samples() -> Vec<(String, usize)> {
    let mut shared: HashMap<String, u32> = HashMap::new();
    for name in SPELLERS.iter().flat_map(|speller| (0..END).map(speller)) {
        *shared.entry(name).or_default() += 1;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut samples = Vec::with_capacity(LANGUAGES.len() * SAMPLES_PER_LANGUAGE);
    for (language, speller) in SPELLERS.iter().enumerate() {
        let mut numbers: Vec<u32> = (0..END).collect();
        numbers[ALWAYS as usize..].shuffle(&mut rng);
        let names = numbers.into_iter().map(speller).filter(|name| shared[name] == 1);
        samples.extend(names.take(SAMPLES_PER_LANGUAGE).map(|name| (name, language)));
    }
    samples
}

/// The word of that index in a list with spaces between the words.
fn word(list: &'static str, index: u32) -> &'static str {
    list.split_whitespace().nth(index as usize).unwrap_or_default()
}

/// `head`, and unless `rest` is zero, also `separator` and the name of `rest`.
fn join(head: String, separator: &str, rest: u32, speller: fn(u32) -> String) -> String {
    if rest == 0 { head } else { head + separator + &speller(rest) }
}

fn english(n: u32) -> String {
    const SMALL: &str = "zero one two three four five six seven eight nine ten eleven twelve \
        thirteen fourteen fifteen sixteen seventeen eighteen nineteen";
    const TENS: &str = "twenty thirty forty fifty sixty seventy eighty ninety";
    match n {
        0..20 => word(SMALL, n).to_owned(),
        20..100 => join(word(TENS, n / 10 - 2).to_owned(), "-", n % 10, english),
        100..1000 => join(english(n / 100) + " hundred", " and ", n % 100, english),
        _ => {
            let separator = if n % 1000 < 100 { " and " } else { " " };
            join(english(n / 1000) + " thousand", separator, n % 1000, english)
        }
    }
}

fn german(n: u32) -> String {
    const SMALL: &str = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf \
        dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn";
    const TENS: &str = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig";
    let unit = |n| if n == 1 { "ein" } else { word(SMALL, n) };
    match n {
        0..20 => word(SMALL, n).to_owned(),
        20..100 if n.is_multiple_of(10) => word(TENS, n / 10 - 2).to_owned(),
        20..100 => format!("{}und{}", unit(n % 10), word(TENS, n / 10 - 2)),
        100..1000 => join(format!("{}hundert", unit(n / 100)), "", n % 100, german),
        _ => join(format!("{}tausend", unit(n / 1000)), "", n % 1000, german),
    }
}

fn french(n: u32) -> String {
    const SMALL: &str = "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize \
        quatorze quinze seize dix-sept dix-huit dix-neuf";
    const TENS: &str = "vingt trente quarante cinquante soixante";
    match n {
        0..20 => word(SMALL, n).to_owned(),
        20..80 => {
            let tens = (n / 10).min(6);
            let separator = if [1, 11].contains(&(n - tens * 10)) { " et " } else { "-" };
            join(word(TENS, tens - 2).to_owned(), separator, n - tens * 10, french)
        }
        80 => "quatre-vingts".to_owned(),
        81..100 => join("quatre-vingt".to_owned(), "-", n - 80, french),
        100..200 => join("cent".to_owned(), " ", n - 100, french),
        200..1000 if n.is_multiple_of(100) => french(n / 100) + " cents",
        200..1000 => join(french(n / 100) + " cent", " ", n % 100, french),
        1000..2000 => join("mille".to_owned(), " ", n - 1000, french),
        _ => join(french(n / 1000) + " mille", " ", n % 1000, french),
    }
}

fn spanish(n: u32) -> String {
    const SMALL: &str = "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece \
        catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós \
        veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve";
    const TENS: &str = "treinta cuarenta cincuenta sesenta setenta ochenta noventa";
    const HUNDREDS: &str = "ciento doscientos trescientos cuatrocientos quinientos seiscientos \
        setecientos ochocientos novecientos";
    match n {
        0..30 => word(SMALL, n).to_owned(),
        30..100 => join(word(TENS, n / 10 - 3).to_owned(), " y ", n % 10, spanish),
        100 => "cien".to_owned(),
        101..1000 => join(word(HUNDREDS, n / 100 - 1).to_owned(), " ", n % 100, spanish),
        1000..2000 => join("mil".to_owned(), " ", n - 1000, spanish),
        _ => join(spanish(n / 1000) + " mil", " ", n % 1000, spanish),
    }
}

fn italian(n: u32) -> String {
    const SMALL: &str = "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici \
        tredici quattordici quindici sedici diciassette diciotto diciannove";
    const TENS: &str = "venti trenta quaranta cinquanta sessanta settanta ottanta novanta";
    // A "tre" that ends a compound is stressed.
    let last = |n| if n == 3 { "tré".to_owned() } else { italian(n) };
    match n {
        0..20 => word(SMALL, n).to_owned(),
        20..100 => {
            let tens = word(TENS, n / 10 - 2);
            // The last vowel falls before a vowel: "ventuno", "ventotto".
            let elided = [1, 8].contains(&(n % 10));
            join(tens[..tens.len() - usize::from(elided)].to_owned(), "", n % 10, last)
        }
        100..1000 => {
            let times = if n < 200 { String::new() } else { italian(n / 100) };
            // The "o" falls before another: "centotto", "centottanta", but "centouno".
            let elided = n % 100 == 8 || n % 100 / 10 == 8;
            join(times + if elided { "cent" } else { "cento" }, "", n % 100, last)
        }
        1000..2000 => join("mille".to_owned(), "", n - 1000, last),
        _ => join(italian(n / 1000) + "mila", "", n % 1000, last),
    }
}

fn dutch(n: u32) -> String {
    const SMALL: &str = "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien \
        veertien vijftien zestien zeventien achttien negentien";
    const TENS: &str = "twintig dertig veertig vijftig zestig zeventig tachtig negentig";
    match n {
        0..20 => word(SMALL, n).to_owned(),
        20..100 if n.is_multiple_of(10) => word(TENS, n / 10 - 2).to_owned(),
        20..100 => {
            let unit = word(SMALL, n % 10);
            let and = if unit.ends_with('e') { "ën" } else { "en" };
            format!("{unit}{and}{}", word(TENS, n / 10 - 2))
        }
        100..200 => join("honderd".to_owned(), "", n - 100, dutch),
        200..1000 => join(dutch(n / 100) + "honderd", "", n % 100, dutch),
        1000..2000 => join("duizend".to_owned(), " ", n - 1000, dutch),
        _ => join(dutch(n / 1000) + "duizend", " ", n % 1000, dutch),
    }
}

fn portuguese(n: u32) -> String {
    const SMALL: &str = "zero um dois três quatro cinco seis sete oito nove dez onze doze treze \
        catorze quinze dezasseis dezassete dezoito dezanove";
    const TENS: &str = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa";
    const HUNDREDS: &str = "cento duzentos trezentos quatrocentos quinhentos seiscentos \
        setecentos oitocentos novecentos";
    match n {
        0..20 => word(SMALL, n).to_owned(),
        20..100 => join(word(TENS, n / 10 - 2).to_owned(), " e ", n % 10, portuguese),
        100 => "cem".to_owned(),
        101..1000 => join(word(HUNDREDS, n / 100 - 1).to_owned(), " e ", n % 100, portuguese),
        _ => {
            let thousand = if n < 2000 { "mil".to_owned() } else { portuguese(n / 1000) + " mil" };
            // "e" joins what has no "e" of its own: "mil e cem", "mil e um", "mil cento e um".
            let rest = n % 1000;
            let separator = if rest < 100 || rest.is_multiple_of(100) { " e " } else { " " };
            join(thousand, separator, rest, portuguese)
        }
    }
}

fn swedish(n: u32) -> String {
    const SMALL: &str = "noll ett två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton \
        femton sexton sjutton arton nitton";
    const TENS: &str = "tjugo trettio fyrtio femtio sextio sjuttio åttio nittio";
    match n {
        0..20 => word(SMALL, n).to_owned(),
        20..100 => join(word(TENS, n / 10 - 2).to_owned(), "", n % 10, swedish),
        100..1000 => join(swedish(n / 100) + "hundra", "", n % 100, swedish),
        // A compound has no three equal consonants in a row.
        1000..2000 => join("ettusen".to_owned(), "", n - 1000, swedish),
        _ => join(swedish(n / 1000) + "tusen", "", n % 1000, swedish),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The name of `n` in the language of that index in [`LANGUAGES`]. `None` when `n` is above 9999 or the
    /// index is past the list.
    fn spell(language: usize, n: u32) -> Option<String> {
        let speller = SPELLERS.get(language).filter(|_| n < END)?;
        Some(speller(n))
    }

    /// Spellings checked by hand, in the order of the languages.
    const KNOWN: [&[(u32, &str)]; LANGUAGES.len()] = [
        &[
            (0, "zero"),
            (8, "eight"),
            (18, "eighteen"),
            (40, "forty"),
            (99, "ninety-nine"),
            (100, "one hundred"),
            (101, "one hundred and one"),
            (342, "three hundred and forty-two"),
            (1000, "one thousand"),
            (1001, "one thousand and one"),
            (2100, "two thousand one hundred"),
            (9999, "nine thousand nine hundred and ninety-nine"),
        ],
        &[
            (1, "eins"),
            (16, "sechzehn"),
            (17, "siebzehn"),
            (21, "einundzwanzig"),
            (30, "dreißig"),
            (66, "sechsundsechzig"),
            (77, "siebenundsiebzig"),
            (100, "einhundert"),
            (101, "einhunderteins"),
            (1000, "eintausend"),
            (1111, "eintausendeinhundertelf"),
            (5555, "fünftausendfünfhundertfünfundfünfzig"),
        ],
        &[
            (0, "zéro"),
            (21, "vingt et un"),
            (70, "soixante-dix"),
            (71, "soixante et onze"),
            (77, "soixante-dix-sept"),
            (80, "quatre-vingts"),
            (81, "quatre-vingt-un"),
            (91, "quatre-vingt-onze"),
            (99, "quatre-vingt-dix-neuf"),
            (101, "cent un"),
            (200, "deux cents"),
            (280, "deux cent quatre-vingts"),
            (1000, "mille"),
            (3261, "trois mille deux cent soixante et un"),
        ],
        &[
            (16, "dieciséis"),
            (20, "veinte"),
            (21, "veintiuno"),
            (22, "veintidós"),
            (23, "veintitrés"),
            (26, "veintiséis"),
            (100, "cien"),
            (101, "ciento uno"),
            (500, "quinientos"),
            (777, "setecientos setenta y siete"),
            (916, "novecientos dieciséis"),
            (1100, "mil cien"),
            (9999, "nueve mil novecientos noventa y nueve"),
        ],
        &[
            (3, "tre"),
            (21, "ventuno"),
            (23, "ventitré"),
            (28, "ventotto"),
            (101, "centouno"),
            (103, "centotré"),
            (108, "centotto"),
            (180, "centottanta"),
            (800, "ottocento"),
            (1000, "mille"),
            (1008, "milleotto"),
            (2001, "duemilauno"),
            (3488, "tremilaquattrocentottantotto"),
        ],
        &[
            (1, "een"),
            (13, "dertien"),
            (14, "veertien"),
            (18, "achttien"),
            (21, "eenentwintig"),
            (22, "tweeëntwintig"),
            (33, "drieëndertig"),
            (80, "tachtig"),
            (101, "honderdeen"),
            (200, "tweehonderd"),
            (1000, "duizend"),
            (1008, "duizend acht"),
            (2345, "tweeduizend driehonderdvijfenveertig"),
        ],
        &[
            (3, "três"),
            (14, "catorze"),
            (16, "dezasseis"),
            (19, "dezanove"),
            (21, "vinte e um"),
            (50, "cinquenta"),
            (100, "cem"),
            (101, "cento e um"),
            (300, "trezentos"),
            (555, "quinhentos e cinquenta e cinco"),
            (1001, "mil e um"),
            (1100, "mil e cem"),
            (1234, "mil duzentos e trinta e quatro"),
            (2020, "dois mil e vinte"),
        ],
        &[
            (7, "sju"),
            (14, "fjorton"),
            (18, "arton"),
            (20, "tjugo"),
            (21, "tjugoett"),
            (40, "fyrtio"),
            (77, "sjuttiosju"),
            (80, "åttio"),
            (100, "etthundra"),
            (101, "etthundraett"),
            (1000, "ettusen"),
            (1100, "ettusenetthundra"),
            (9876, "niotusenåttahundrasjuttiosex"),
        ],
    ];

    #[test]
    fn known_spellings() {
        for (language, spellings) in KNOWN.iter().enumerate() {
            for &(n, expected) in *spellings {
                let found = spell(language, n);
                assert_eq!(found.as_deref(), Some(expected), "{n} in {}", LANGUAGES[language]);
            }
        }
        assert_eq!(spell(0, 10_000), None);
        assert_eq!(spell(LANGUAGES.len(), 1), None);
    }

    #[test]
    fn a_language_names_every_number_differently() {
        for speller in SPELLERS {
            let names: HashSet<_> = (0..END).map(speller).collect();
            assert_eq!(names.len(), 10_000);
            assert!(names.iter().all(|name| name.split(' ').all(|word| !word.is_empty())));
        }
    }

    #[test]
    fn samples_are_distinct_and_balanced() {
        let samples = samples();
        let names: HashSet<_> = samples.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((samples.len(), names.len()), (4_000, 4_000));
        for language in 0..LANGUAGES.len() {
            assert_eq!(samples.iter().filter(|(_, class)| *class == language).count(), 500);
        }
        for shared in ["zero", "six", "elf", "vier", "mille", "mil", "tre", "onze"] {
            assert!(!names.contains(shared), "{shared}");
        }
        for (language, spellings) in KNOWN.iter().enumerate() {
            for (n, name) in spellings.iter().filter(|(n, _)| *n < 100) {
                let spelled = SPELLERS.iter().filter(|speller| speller(*n) == *name).count();
                let sample = samples.contains(&((*name).to_owned(), language));
                assert_eq!(sample, spelled == 1, "{name}");
            }
        }
    }

    /// Other draws would silently change every run that is repeated.
    #[test]
    fn samples_stay_what_they_were() {
        let samples = samples();
        let last = |language: usize| samples[language * 500 + 499].0.as_str();
        assert_eq!([last(0), last(7)], GOLDEN);
    }
    const GOLDEN: [&str; 2] =
        ["six thousand seven hundred and thirty-seven", "fyratusenåttahundraåttiotvå"];
}
