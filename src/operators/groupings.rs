//! The groups of one partition and their aggregates. Grouping sets are made of the groups by all keys when these are
//! emitted: rows are grouped once, however many sets there are.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, DictionaryArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;

use super::accumulators::Groups;
use super::aggregate_shape::{AggregateShape, Key, Output};
use super::combinations::{Combinations, combined_keys, is_coded};
use super::computed_strings::ComputedStrings;
use super::group_table::{GroupTable, NULL_WORD, Words};
use super::lane::{Lane, from_integers};
use super::lane_program::Lanes;
use super::measured::{Accumulated, Inputs};
use super::rows_by_group::RowsByGroup;
use super::strings::StringNumbers;
use super::trial::Trial;

/// Groups that are merged at once.
const CHUNK: usize = 1 << 13;

/// The groups so far and their aggregates.
pub struct Groupings {
    shape: Arc<AggregateShape>,
    /// Of the batches that are emitted.
    schema: SchemaRef,
    /// What is emitted are states, to be merged with others.
    states: bool,
    groups: Grouped,
    strings: Vec<Option<StringNumbers>>,
    /// For keys that are computed of strings.
    computed: Vec<Option<ComputedStrings>>,
    /// Keys that are numbered together.
    combinations: Vec<Combinations>,
    /// Where in the groups' table the keys are, once rows have come.
    layout: Layout,
    /// Rows aggregated so far.
    rows: usize,
    trial: Trial,
    /// The keys that are strings, of the one batch that is to be emitted.
    passed: Vec<Option<ArrayRef>>,
    /// What the codes of keys that are emitted as such are of.
    dictionaries: Vec<Option<ArrayRef>>,
    words: Vec<Vec<i64>>,
    numbers: Numbers,
    /// The grouping set that is being emitted.
    set: Option<Set>,
}

/// What the columns of the groups' table are. Each key is in one of them.
#[derive(Default)]
struct Layout {
    columns: Vec<Slot>,
}

#[derive(Clone, Copy)]
enum Slot {
    Key(usize),
    Combination(usize),
}

/// Keys and their aggregates.
struct Grouped {
    /// `None` where all rows are one group.
    table: Option<GroupTable>,
    measures: Vec<Accumulated>,
}

/// One grouping set, by its place in the shape.
struct Set {
    number: usize,
    /// `None` where its groups are those by all keys, merged or not: states may be merged later.
    groups: Option<Grouped>,
}

/// The groups of some rows.
#[derive(Default)]
struct Numbers {
    groups: Vec<u32>,
    /// The same as DataFusion's accumulators want them.
    wide: Vec<usize>,
    /// The rows of each group, where the groups are few.
    lists: Option<RowsByGroup>,
}

impl Numbers {
    fn widen(&mut self, is_one_group: bool, rows: usize) {
        self.wide.clear();
        match is_one_group {
            true => self.wide.resize(rows, 0),
            false => self.wide.extend(self.groups.iter().map(|group| *group as usize)),
        }
    }

    /// Lists the rows of each group, if that pays for so many measures.
    fn list(&mut self, count: usize, measures: usize) {
        let pays = measures > 1 && RowsByGroup::pays(self.groups.len(), count);
        let mut lists = self.lists.take().filter(|_| pays);
        if pays {
            lists.get_or_insert_default().sort(&self.groups, count);
        }
        self.lists = lists;
    }

    fn groups(&self, is_one_group: bool, rows: usize) -> Groups<'_> {
        match &self.lists {
            _ if is_one_group => Groups::One(rows),
            Some(lists) => Groups::Few(&self.groups, lists),
            None => Groups::Each(&self.groups),
        }
    }
}

impl Grouped {
    fn new(shape: &AggregateShape, keys: usize) -> PlanResult<Grouped> {
        Ok(Grouped {
            table: (keys > 0).then(|| GroupTable::new(keys)),
            measures: shape.measures.iter().map(Accumulated::new).collect::<PlanResult<_>>()?,
        })
    }

    fn count(&self) -> usize {
        self.table.as_ref().map_or(1, GroupTable::len)
    }

    fn size(&self) -> usize {
        self.table.as_ref().map_or(0, GroupTable::size) + self.measures.iter().map(Accumulated::size).sum::<usize>()
    }

    /// Some accumulators of DataFusion's have no states of no groups.
    fn close(&mut self, states: bool) -> PlanResult<()> {
        if self.count() == 0 {
            return Ok(());
        }
        self.measures.iter_mut().try_for_each(|measure| measure.close(states))
    }
}

impl Groupings {
    pub fn new(shape: &Arc<AggregateShape>, schema: SchemaRef, states: bool) -> PlanResult<Groupings> {
        let strings = |key: &Key| matches!(key, Key::Strings(_)).then(StringNumbers::new);
        let computed = |key: &Key| match key {
            Key::Strings(expression) => ComputedStrings::of(expression),
            Key::Lane(_) => None,
        };
        let mut groupings = Groupings {
            schema,
            states,
            groups: Grouped::new(shape, shape.keys.len())?,
            strings: shape.keys.iter().map(strings).collect(),
            computed: shape.keys.iter().map(computed).collect(),
            combinations: Vec::new(),
            layout: Layout::default(),
            rows: 0,
            trial: Trial::of(shape),
            passed: vec![None; shape.keys.len()],
            dictionaries: vec![None; shape.keys.len()],
            words: vec![Vec::new(); shape.keys.len()],
            numbers: Numbers::default(),
            set: None,
            shape: Arc::clone(shape),
        };
        if groupings.groups.table.is_none() {
            groupings.add_no_rows()?;
        }
        Ok(groupings)
    }

    /// Without keys there is one group, even of no rows.
    fn add_no_rows(&mut self) -> PlanResult<()> {
        let lanes = vec![Lane::new(Vec::new(), None, 0); self.shape.program.node_count()];
        for (measure, accumulated) in self.shape.measures.iter().zip(&mut self.groups.measures) {
            accumulated.update(measure, Groups::One(0), &[], &lanes, &Inputs::default(), 1)?;
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.groups.count()
    }

    pub fn size(&self) -> usize {
        self.groups.size()
            + self.strings.iter().flatten().map(StringNumbers::size).sum::<usize>()
            + self.computed.iter().flatten().map(ComputedStrings::size).sum::<usize>()
            + self.combinations.iter().map(Combinations::size).sum::<usize>()
    }

    /// Whether more rows would only make the groups more.
    pub fn is_full(&self) -> bool {
        self.trial.is_over(self.rows, self.count())
    }

    /// Without the groups, which have been emitted.
    pub fn emptied(&self) -> PlanResult<Groupings> {
        let mut emptied = Groupings::new(&self.shape, Arc::clone(&self.schema), self.states)?;
        emptied.trial = self.trial.next(self.rows, self.count());
        Ok(emptied)
    }

    /// Decides by the first rows which keys are numbered together.
    fn choose_layout(&mut self, batch: &RecordBatch, selection: Option<&[u32]>) -> PlanResult<()> {
        let column = |(number, key): (usize, &Key)| match key {
            Key::Strings(expression) => Some((number, batch.column(expression.column()?))),
            Key::Lane(_) => None,
        };
        let columns: Vec<(usize, &ArrayRef)> = self.shape.keys.iter().enumerate().filter_map(column).collect();
        let combined = match self.trial.is_passing() {
            true => Vec::new(),
            false => combined_keys(&columns),
        };
        // States of a group are merged, however many there are.
        let may_repeat = self.states && self.shape.sets.is_empty();
        let combinations = combined.into_iter().map(|keys| Combinations::new(keys, may_repeat));
        self.combinations = combinations.collect();
        let is_combined = |combinations: &[Combinations], key: &usize| {
            let mut combinations = combinations.iter();
            combinations.any(|combined| combined.keys.contains(key))
        };
        let texts = columns
            .into_iter()
            .filter(|(key, _)| !is_combined(&self.combinations, key));
        let (texts, columns): (Vec<usize>, Vec<&ArrayRef>) = texts.unzip();
        // There are few states of each group, perhaps one: to number each string by itself seldom pays.
        if self.shape.merges && texts.len() > 1 {
            self.combinations
                .extend(Combinations::of_texts(texts, &columns, selection)?);
        }
        let alone = (0..self.shape.keys.len()).filter(|key| !is_combined(&self.combinations, key));
        let alone = alone.map(Slot::Key);
        self.layout.columns = alone
            .chain((0..self.combinations.len()).map(Slot::Combination))
            .collect();
        self.groups.table = Some(GroupTable::new(self.layout.columns.len()));
        Ok(())
    }

    /// The column of the groups' table that a key is in, with its combination and its place there.
    fn place_of_key(&self, key: usize) -> Option<(usize, Option<(&Combinations, usize)>)> {
        let mut columns = self.layout.columns.iter().enumerate();
        columns.find_map(|(column, slot)| match slot {
            Slot::Key(own) => (*own == key).then_some((column, None)),
            Slot::Combination(number) => {
                let combinations = &self.combinations[*number];
                let member = combinations.keys.iter().position(|own| *own == key)?;
                Some((column, Some((combinations, member))))
            }
        })
    }

    /// The words of a key, for a range of the groups by all keys.
    fn words_of_key(&self, key: usize, range: Range<usize>) -> Vec<i64> {
        match (&self.groups.table, self.place_of_key(key)) {
            (Some(table), Some((column, None))) => table.words(column, range).collect(),
            (Some(table), Some((column, Some((combinations, member))))) => {
                combinations.strings_of(member, table.words(column, range))
            }
            _ => Vec::new(),
        }
    }

    /// The strings of a key, for a range of the groups, where these have rows and no words for them.
    fn texts_of_key(&self, key: usize, range: Range<usize>) -> PlanResult<Option<ArrayRef>> {
        let (Some(table), Some((column, Some((combinations, member))))) = (&self.groups.table, self.place_of_key(key))
        else {
            return Ok(None);
        };
        Ok(combinations.texts_of(member, table.words(column, range)).transpose()?)
    }

    /// All strings of a key, or those of all combinations that it is in: what its codes are of.
    fn dictionary_of_key(&self, key: usize) -> PlanResult<Option<ArrayRef>> {
        let Some(strings) = &self.strings[key] else {
            return Ok(None);
        };
        let Some((_, Some((combinations, member)))) = self.place_of_key(key) else {
            return Ok(strings.to_array(0..strings.count() as i64, &DataType::Utf8View));
        };
        let all = 0..combinations.count() as i64;
        match combinations.texts_of(member, all.clone()) {
            Some(texts) => Ok(Some(texts?)),
            None => Ok(strings.to_array(combinations.strings_of(member, all).into_iter(), &DataType::Utf8View)),
        }
    }

    /// The strings of a key, for a range of the groups, as codes.
    fn codes_of_key(&self, key: usize, range: Range<usize>) -> PlanResult<Option<ArrayRef>> {
        let (Some(dictionary), Some(table), Some((column, _))) =
            (&self.dictionaries[key], &self.groups.table, self.place_of_key(key))
        else {
            return Ok(None);
        };
        let codes: UInt32Array = table.words(column, range).map(|word| Some(word as u32)).collect();
        Ok(Some(Arc::new(DictionaryArray::try_new(codes, Arc::clone(dictionary))?)))
    }

    /// From now on states are emitted, as rows of this schema.
    pub fn emit_states(&mut self, schema: SchemaRef) {
        (self.schema, self.states) = (schema, true);
    }

    /// Aggregates a batch; false, with nothing changed, where it has values that lanes do not hold.
    pub fn add(&mut self, batch: &RecordBatch) -> PlanResult<bool> {
        let shape = Arc::clone(&self.shape);
        let selection = shape.predicate.select(batch)?;
        let selection = selection.as_deref();
        let rows = selection.map_or(batch.num_rows(), <[u32]>::len);
        if rows == 0 {
            return Ok(true);
        }
        let Some(lanes) = shape.program.evaluate(batch, selection)? else {
            return Ok(false);
        };
        let inputs = shape
            .measures
            .iter()
            .map(|measure| Inputs::of(measure, batch, selection));
        let inputs: Vec<Inputs> = inputs.collect::<PlanResult<_>>()?;
        self.find_groups(batch, selection, &lanes)?;
        let is_one_group = self.groups.table.is_none();
        if shape.has_stock_measures() {
            self.numbers.widen(is_one_group, rows);
        }
        let count = self.groups.count();
        self.numbers.list(count, shape.measures.len());
        let (groups, wide) = (self.numbers.groups(is_one_group, rows), &self.numbers.wide);
        self.rows += rows;
        for ((measure, accumulated), inputs) in shape.measures.iter().zip(&mut self.groups.measures).zip(&inputs) {
            accumulated.update(measure, groups, wide, &lanes, inputs, count)?;
        }
        Ok(true)
    }

    fn find_groups(&mut self, batch: &RecordBatch, selection: Option<&[u32]>, lanes: &Lanes) -> PlanResult<()> {
        if self.groups.table.is_some() && self.layout.columns.is_empty() {
            self.choose_layout(batch, selection)?;
        }
        let Some(table) = &mut self.groups.table else {
            return Ok(());
        };
        let rows = selection.map_or(batch.num_rows(), <[u32]>::len);
        let shape = &self.shape;
        let is_passing = self.trial.is_passing();
        for (slot, words) in self.layout.columns.iter().zip(&mut self.words) {
            match slot {
                Slot::Key(key) => match (&shape.keys[*key], &mut self.strings[*key]) {
                    (Key::Lane(lane), _) => {
                        if let Some(nulls) = &lanes[*lane].nulls {
                            let word = |(value, valid): (&i64, bool)| if valid { *value } else { NULL_WORD };
                            words.clear();
                            words.extend(lanes[*lane].values.iter().zip(nulls.iter()).map(word));
                        }
                    }
                    (Key::Strings(expression), _) if is_passing => {
                        self.passed[*key] = Some(expression.evaluate(batch, selection)?);
                        words.clear();
                        words.resize(rows, 0);
                    }
                    (Key::Strings(expression), Some(strings)) => {
                        if let Some(column) = expression.column() {
                            strings.number(batch.column(column), selection, words)?;
                            continue;
                        }
                        let is_known = match &mut self.computed[*key] {
                            Some(computed) => computed.number(expression, batch, selection, strings, words)?,
                            None => false,
                        };
                        if !is_known {
                            strings.number(&expression.evaluate(batch, selection)?, None, words)?;
                        }
                    }
                    _ => {}
                },
                Slot::Combination(number) => {
                    let combinations = &mut self.combinations[*number];
                    let is_member = |key: &usize| combinations.keys.contains(key);
                    let columns = shape
                        .keys
                        .iter()
                        .enumerate()
                        .filter_map(|(key, expression)| match expression {
                            Key::Strings(expression) if is_member(&key) => Some(batch.column(expression.column()?)),
                            _ => None,
                        });
                    let columns: Vec<&ArrayRef> = columns.collect();
                    let strings = self.strings.iter_mut().enumerate();
                    let strings = strings.filter_map(|(key, strings)| strings.as_mut().filter(|_| is_member(&key)));
                    let mut strings: Vec<&mut StringNumbers> = strings.collect();
                    combinations.number(&columns, selection, &mut strings, words)?;
                }
            }
        }
        let columns = self.layout.columns.iter().zip(&self.words);
        let columns: Vec<Words> = columns
            .map(|(slot, words)| match slot {
                Slot::Key(key) => Words {
                    words: match &shape.keys[*key] {
                        Key::Lane(lane) if lanes[*lane].nulls.is_none() => &lanes[*lane].values,
                        _ => words,
                    },
                    numbered: self.strings[*key].as_ref().map(StringNumbers::count),
                },
                Slot::Combination(number) => Words {
                    words,
                    numbered: Some(self.combinations[*number].count()),
                },
            })
            .collect();
        match self.trial.is_passing() {
            true => table.add_all(&columns, &mut self.numbers.groups),
            false => table.find_or_add(&columns, &mut self.numbers.groups),
        }
        Ok(())
    }

    /// Nothing more is added: what follows is emitted.
    pub fn close(&mut self, held: Option<&MemoryReservation>) -> PlanResult<()> {
        self.groups.close(self.states)?;
        let groups = self.groups.count();
        let schema = Arc::clone(&self.schema);
        for (key, field) in (0..self.strings.len()).zip(schema.fields()) {
            if is_coded(field.data_type()) {
                self.dictionaries[key] = self.dictionary_of_key(key)?;
            }
        }
        self.strings
            .iter_mut()
            .flatten()
            .for_each(|strings| strings.prepare(groups));
        self.next_set(held)?;
        Ok(())
    }

    /// Goes on to the next grouping set; false where there is none.
    pub fn next_set(&mut self, held: Option<&MemoryReservation>) -> PlanResult<bool> {
        let before = self.set.take();
        let number = before.as_ref().map_or(0, |set| set.number + 1);
        if number >= self.shape.sets.len() {
            return Ok(false);
        }
        let shape = Arc::clone(&self.shape);
        let kept = &shape.sets[number].kept;
        let mut groups = None;
        if kept.len() < shape.keys.len() {
            // The groups of a finer set are fewer than those of all keys.
            let finer = before.and_then(|set| Some((&shape.sets[set.number].kept, set.groups?)));
            let finer = finer.filter(|(finer, _)| kept.iter().all(|key| finer.contains(key)));
            let merged = match &finer {
                Some((keys, groups)) => self.merged(kept, groups, |key, range| {
                    let place = keys.iter().position(|finer| finer == key);
                    let words = groups.table.as_ref().zip(place);
                    words.map_or(Vec::new(), |(table, place)| table.words(place, range).collect())
                })?,
                None => self.merged(kept, &self.groups, |key, range| self.words_of_key(*key, range))?,
            };
            // Without the memory for it the groups are left to who merges the states.
            let size = self.size() + merged.size() + finer.map_or(0, |(_, groups)| groups.size());
            groups = held.is_none_or(|held| held.try_resize(size).is_ok()).then_some(merged);
        }
        self.set = Some(Set { number, groups });
        Ok(true)
    }

    /// The groups by `kept`, of finer ones, for a range of which `words` are a key's.
    fn merged(
        &self,
        kept: &[usize],
        finer: &Grouped,
        words: impl Fn(&usize, Range<usize>) -> Vec<i64>,
    ) -> PlanResult<Grouped> {
        let mut merged = Grouped::new(&self.shape, kept.len())?;
        // The one group of a set without keys holds nothing yet.
        if self.rows == 0 {
            return Ok(merged);
        }
        let mut numbers = Numbers::default();
        let is_one_group = merged.table.is_none();
        for start in (0..finer.count()).step_by(CHUNK) {
            let range = start..finer.count().min(start + CHUNK);
            if let Some(table) = &mut merged.table {
                let words: Vec<Vec<i64>> = kept.iter().map(|key| words(key, range.clone())).collect();
                let columns: Vec<Words> = words.iter().map(|words| Words { words, numbered: None }).collect();
                table.find_or_add(&columns, &mut numbers.groups);
            }
            if self.shape.has_stock_measures() {
                numbers.widen(is_one_group, range.len());
            }
            let (groups, count) = (numbers.groups(is_one_group, range.len()), merged.count());
            for (own, other) in merged.measures.iter_mut().zip(&finer.measures) {
                own.merge(groups, &numbers.wide, other, range.clone(), count)?;
            }
        }
        if finer.count() > 0 {
            merged.close(true)?;
        }
        Ok(merged)
    }

    /// Whether a grouping set without keys has no row to make its one group of.
    pub fn lacks_a_total(&self) -> bool {
        self.rows == 0 && self.shape.sets.iter().any(|set| set.kept.is_empty())
    }

    fn emitted(&self) -> &Grouped {
        let of_set = self.set.as_ref().and_then(|set| set.groups.as_ref());
        of_set.unwrap_or(&self.groups)
    }

    /// How many rows are emitted of the grouping set, or of all.
    pub fn count_to_emit(&self) -> usize {
        match self.rows {
            0 if self.set.is_some() => 0,
            _ => self.emitted().count(),
        }
    }

    /// A range of the groups as rows of the output.
    pub fn emit(&self, range: Range<usize>) -> PlanResult<RecordBatch> {
        let rows = range.len();
        let grouped = self.emitted();
        let set = self.set.as_ref().map(|set| &self.shape.sets[set.number]);
        let is_merged = self.set.as_ref().is_some_and(|set| set.groups.is_some());
        let mut fields = self.schema.fields().iter();
        let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(self.schema.fields().len());
        for (key, strings) in self.strings.iter().enumerate() {
            let Some(field) = fields.next() else { break };
            if is_coded(field.data_type()) && self.passed[key].is_none() {
                columns.push(self.codes_of_key(key, range.clone())?);
                continue;
            }
            if let Some(texts) = self.texts_of_key(key, range.clone())? {
                columns.push(cast(&texts, field.data_type()).ok());
                continue;
            }
            let place = set.map_or(Some(key), |set| set.kept.iter().position(|kept| *kept == key));
            let words = match (place, &grouped.table) {
                (Some(place), Some(table)) if is_merged => Some(table.words(place, range.clone()).collect()),
                (place, _) => place.map(|_| self.words_of_key(key, range.clone())),
            };
            columns.push(match (words, &self.passed[key]) {
                (_, Some(passed)) => cast(&passed.slice(range.start, rows), field.data_type()).ok(),
                (Some(words), None) => key_column(words, strings.as_ref(), field.data_type()),
                (None, None) => Some(new_null_array(field.data_type(), rows)),
            });
        }
        if let Some(set) = set
            && let Some(field) = fields.next()
        {
            columns.push(from_integers(field.data_type(), vec![set.id; rows], None));
        }
        let columns: Option<Vec<ArrayRef>> = columns.into_iter().collect();
        let columns = columns.and_then(|mut columns| {
            let finish = |output: &Output| output.finish(&grouped.measures, range.clone(), &mut fields, &mut columns);
            self.shape.outputs.iter().all(finish).then_some(columns)
        });
        let columns = columns.ok_or_else(|| internal_datafusion_err!("an aggregate does not fit its type"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }
}

fn key_column(words: Vec<i64>, strings: Option<&StringNumbers>, data_type: &DataType) -> Option<ArrayRef> {
    match strings {
        Some(strings) => strings.to_array(words.into_iter(), data_type),
        None => {
            let valid = BooleanBuffer::collect_bool(words.len(), |row| words[row] != NULL_WORD);
            let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
            from_integers(data_type, words, nulls)
        }
    }
}
