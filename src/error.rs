//! The one error type. An error is born with its SQLSTATE, in PostgreSQL's message style: the message
//! is short, starts in lower case and has no full stop; detail and hint are sentences.
//! Foreign errors are mapped here, in one place per library.

mod cast_faults;
mod column_hints;
mod conditions;
mod plan_faults;

use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError, TableReference};
use datafusion::parquet::errors::ParquetError;

pub use conditions::states_of_condition;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a client may see it.
#[derive(Debug, Clone)]
pub struct Error(Box<Report>);

#[derive(Debug, Clone)]
struct Report {
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// One-based character in the text of the statement.
    position: Option<usize>,
    subject: Subject,
    routine: Option<&'static str>,
    /// Where the error arose, the innermost place first.
    context: Vec<String>,
    /// The statement that `position` counts in, where it is none that the client sent.
    inner_statement: Option<String>,
}

/// The objects that an error is about, for clients that tell constraints apart by name.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
}

macro_rules! sql_states {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// The SQLSTATEs that Boathouse raises (PostgreSQL 17, appendix A).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SqlState {
            $($(#[$doc])* $name,)*
            /// What RAISE asked for: equal to none of the others.
            Raised(&'static str),
        }

        impl SqlState {
            /// The five characters on the wire.
            pub fn code(self) -> &'static str {
                match self { $(SqlState::$name => $code,)* SqlState::Raised(code) => code }
            }
        }
    };
}

sql_states! {
    SuccessfulCompletion = "00000",
    Warning = "01000",
    ConnectionFailure = "08006",
    ProtocolViolation = "08P01",
    FeatureNotSupported = "0A000",
    InvalidGrantOperation = "0LP01",
    InvalidRoleSpecification = "0P000",
    StackedDiagnosticsWithoutHandler = "0Z002",
    CaseNotFound = "20000",
    CardinalityViolation = "21000",
    DataException = "22000",
    StringDataRightTruncation = "22001",
    NullValueNotAllowed = "22004",
    ErrorInAssignment = "22005",
    SubstringError = "22011",
    InvalidPrecedingOrFollowingSize = "22013",
    InvalidArgumentForNtile = "22014",
    InvalidTablesampleArgument = "2202H",
    DuplicateJsonObjectKeyValue = "22030",
    InvalidJsonDatetime = "22031",
    InvalidSqlJsonSubscript = "22033",
    MoreThanOneSqlJsonItem = "22034",
    NoSqlJsonItem = "22035",
    NonNumericSqlJsonItem = "22036",
    SingletonSqlJsonItemRequired = "22038",
    SqlJsonArrayNotFound = "22039",
    SqlJsonMemberNotFound = "2203A",
    SqlJsonNumberNotFound = "2203B",
    SqlJsonObjectNotFound = "2203C",
    SqlJsonScalarRequired = "2203F",
    InvalidArgumentForNthValue = "22016",
    InvalidEscapeCharacter = "22019",
    InvalidRegularExpression = "2201B",
    InvalidArgumentForLogarithm = "2201E",
    InvalidArgumentForPowerFunction = "2201F",
    InvalidArgumentForWidthBucket = "2201G",
    InvalidRowCountInLimit = "2201W",
    InvalidRowCountInOffset = "2201X",
    NumericValueOutOfRange = "22003",
    DatetimeFieldOverflow = "22008",
    DivisionByZero = "22012",
    StringDataLengthMismatch = "22026",
    InvalidParameterValue = "22023",
    InvalidTextRepresentation = "22P02",
    InvalidBinaryRepresentation = "22P03",
    ArraySubscriptError = "2202E",
    InvalidTimeZoneDisplacement = "22009",
    IntervalFieldOverflow = "22015",
    BadCopyFileFormat = "22P04",
    InvalidDatetimeFormat = "22007",
    InvalidByteSequence = "22021",
    NonstandardUseOfEscapeCharacter = "22P06",
    UntranslatableCharacter = "22P05",
    InvalidEscapeSequence = "22025",
    SequenceGeneratorLimitExceeded = "2200H",
    NotNullViolation = "23502",
    ForeignKeyViolation = "23503",
    UniqueViolation = "23505",
    CheckViolation = "23514",
    InvalidCursorState = "24000",
    ActiveSqlTransaction = "25001",
    ReadOnlySqlTransaction = "25006",
    NoActiveSqlTransaction = "25P01",
    InFailedSqlTransaction = "25P02",
    IdleInTransactionSessionTimeout = "25P03",
    TransactionTimeout = "25P04",
    InvalidSqlStatementName = "26000",
    InvalidAuthorization = "28000",
    InvalidPassword = "28P01",
    DependentObjectsStillExist = "2BP01",
    InvalidTransactionTermination = "2D000",
    FunctionWithoutReturn = "2F005",
    InvalidCursorName = "34000",
    InvalidSavepoint = "3B001",
    InvalidCatalogName = "3D000",
    InvalidSchemaName = "3F000",
    SerializationFailure = "40001",
    /// Whether the statement took effect is unknown.
    StatementCompletionUnknown = "40003",
    DeadlockDetected = "40P01",
    SyntaxError = "42601",
    InsufficientPrivilege = "42501",
    WithCheckOptionViolation = "44000",
    InvalidName = "42602",
    ReservedName = "42939",
    UndefinedColumn = "42703",
    UndefinedFunction = "42883",
    UndefinedTable = "42P01",
    UndefinedParameter = "42P02",
    UndefinedObject = "42704",
    DuplicateColumn = "42701",
    DuplicateCursor = "42P03",
    InvalidCursorDefinition = "42P11",
    DuplicateDatabase = "42P04",
    DuplicatePreparedStatement = "42P05",
    DuplicateSchema = "42P06",
    DuplicateTable = "42P07",
    DuplicateAlias = "42712",
    DuplicateObject = "42710",
    DuplicateFunction = "42723",
    AmbiguousColumn = "42702",
    AmbiguousFunction = "42725",
    InvalidForeignKey = "42830",
    GeneratedAlways = "428C9",
    GroupingError = "42803",
    WindowingError = "42P20",
    DatatypeMismatch = "42804",
    WrongObjectType = "42809",
    CannotCoerce = "42846",
    IndeterminateDatatype = "42P18",
    InvalidColumnReference = "42P10",
    InvalidTableDefinition = "42P16",
    InvalidSchemaDefinition = "42P15",
    InvalidFunctionDefinition = "42P13",
    InvalidObjectDefinition = "42P17",
    InvalidRecursion = "42P19",
    InvalidColumnDefinition = "42611",
    InsufficientResources = "53000",
    DiskFull = "53100",
    OutOfMemory = "53200",
    TooManyConnections = "53300",
    ConfigurationLimitExceeded = "53400",
    ProgramLimitExceeded = "54000",
    StatementTooComplex = "54001",
    TooManyArguments = "54023",
    ObjectNotInPrerequisiteState = "55000",
    CantChangeRuntimeParameter = "55P02",
    LockNotAvailable = "55P03",
    ObjectInUse = "55006",
    QueryCanceled = "57014",
    AdminShutdown = "57P01",
    CannotConnectNow = "57P03",
    IdleSessionTimeout = "57P05",
    IoError = "58030",
    UndefinedFile = "58P01",
    ConfigFileError = "F0000",
    /// A row filter or column mask failed on some row; nothing more is said.
    PolicyFailed = "P0001",
    NoDataFound = "P0002",
    TooManyRows = "P0003",
    AssertFailure = "P0004",
    InternalError = "XX000",
    DataCorrupted = "XX001",
}

impl Error {
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        Error(Box::new(Report {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            subject: Subject::default(),
            routine: None,
            context: vec![],
            inner_statement: None,
        }))
    }

    /// What is not there yet: 0A000 and the name of what is missing.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Error::new(SqlState::FeatureNotSupported, format!("{what} is not supported yet"))
    }

    /// A broken promise of our own code.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(SqlState::InternalError, message)
    }

    pub fn syntax(message: impl Into<String>) -> Self {
        Error::new(SqlState::SyntaxError, message)
    }

    pub fn denied(kind: &str, name: &str) -> Self {
        Error::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied for {kind} {name}"),
        )
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// `position` counts characters of the statement's text from one.
    pub fn at(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Names the table of the column or constraint that the error is about, where it is about one.
    pub fn in_table(mut self, schema: &str, table: &str) -> Self {
        let subject = &mut self.0.subject;
        if subject.table.is_none() && (subject.column.is_some() || subject.constraint.is_some()) {
            subject.schema = Some(schema.to_string());
            subject.table = Some(table.to_string());
        }
        self
    }

    pub fn in_column(mut self, column: &str) -> Self {
        self.0.subject.column = Some(column.to_string());
        self
    }

    pub fn of_constraint(mut self, constraint: &str) -> Self {
        self.0.subject.constraint = Some(constraint.to_string());
        self
    }

    /// PostgreSQL's function that raises this error, where drivers know it by that.
    pub fn in_routine(mut self, routine: &'static str) -> Self {
        self.0.routine = Some(routine);
        self
    }

    /// Says where the error arose: inside of all the places that come after it.
    pub fn within(mut self, place: impl Into<String>) -> Self {
        self.0.context.push(place.into());
        self
    }

    /// The position counts in this statement, which the client did not send.
    pub fn in_statement(mut self, text: &str) -> Self {
        self.0.inner_statement = Some(text.to_string());
        self
    }

    /// Another text without a place in it.
    pub fn without_position(mut self) -> Self {
        self.0.position = None;
        self
    }

    pub fn with_subject(mut self, subject: Subject) -> Self {
        self.0.subject = subject;
        self
    }

    pub fn state(&self) -> SqlState {
        self.0.state
    }
    pub fn message(&self) -> &str {
        &self.0.message
    }
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }
    pub fn routine(&self) -> Option<&'static str> {
        self.0.routine
    }
    /// The lines of CONTEXT; `None` for a statement of the client itself.
    pub fn context(&self) -> Option<String> {
        (!self.0.context.is_empty()).then(|| self.0.context.join("\n"))
    }
    pub fn inner_statement(&self) -> Option<&str> {
        self.0.inner_statement.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message)?;
        if let Some(hint) = &self.0.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Carries our error through DataFusion's operators; `From<DataFusionError>` finds it again.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        from_datafusion(&error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        from_arrow(&error)
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        Error::new(SqlState::DataCorrupted, "could not read a Parquet file").with_detail(format!("{error}."))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let state = match error.kind() {
            std::io::ErrorKind::StorageFull => SqlState::DiskFull,
            std::io::ErrorKind::NotFound => SqlState::UndefinedFile,
            _ => SqlState::IoError,
        };
        Error::new(state, error.to_string())
    }
}

fn spill_limit() -> Error {
    Error::new(
        SqlState::ConfigurationLimitExceeded,
        "the spill files of all queries exceed their limit",
    )
    .with_hint("Raise memory.spill_limit or memory.limit, or make the query read less.")
}

fn from_datafusion(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::ResourcesExhausted(message) if message.contains("spilling") => spill_limit(),
        DataFusionError::IoError(inner) if inner.to_string().contains("spilling") => spill_limit(),
        DataFusionError::External(inner) => from_external(inner.as_ref()),
        DataFusionError::Shared(inner) => from_datafusion(inner),
        // A worker panicked: the panic's text may hold values of rows, and belongs in the log only.
        DataFusionError::ExecutionJoin(_) => Error::internal("internal error"),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_datafusion(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => from_datafusion(&errors[0]),
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::ParquetError(inner) => from_parquet_chain(inner),
        DataFusionError::ObjectStore(inner) => {
            Error::new(SqlState::IoError, "could not read from storage").with_detail(format!("{inner}."))
        }
        DataFusionError::IoError(inner) => Error::new(SqlState::IoError, inner.to_string()),
        DataFusionError::SQL(inner, _) => Error::syntax(inner.to_string()),
        DataFusionError::SchemaError(inner, _) => from_schema_error(inner),
        DataFusionError::NotImplemented(message) if message.starts_with("Unsupported SQL type ") => {
            let name = message.trim_start_matches("Unsupported SQL type ").to_lowercase();
            Error::new(SqlState::UndefinedObject, format!("type \"{name}\" does not exist"))
        }
        DataFusionError::NotImplemented(message) => Error::new(SqlState::FeatureNotSupported, lower_first(message)),
        DataFusionError::ResourcesExhausted(message) => Error::new(SqlState::OutOfMemory, "out of memory")
            .with_detail(first_line(message))
            .with_hint("Raise memory.limit, or make the query read less."),
        DataFusionError::Plan(message) => plan_faults::from_plan_message(message),
        DataFusionError::Execution(message) => from_execution_message(message),
        DataFusionError::Configuration(message) => Error::new(SqlState::InvalidParameterValue, lower_first(message)),
        other => Error::internal(first_line(&other.strip_backtrace())),
    }
}

fn from_external(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    if let Some(own) = error.downcast_ref::<Error>() {
        return own.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return from_datafusion(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return from_arrow(inner);
    }
    Error::internal(first_line(&error.to_string()))
}

fn from_parquet_chain(error: &ParquetError) -> Error {
    if let ParquetError::External(inner) = error {
        return from_external(inner.as_ref());
    }
    Error::new(SqlState::DataCorrupted, "could not read a Parquet file").with_detail(first_line(&error.to_string()))
}

fn from_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::IoError(message, _) if message.contains("spilling") => spill_limit(),
        ArrowError::DivideByZero => Error::new(SqlState::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(_) => Error::new(SqlState::NumericValueOutOfRange, "value out of range"),
        ArrowError::CastError(message) | ArrowError::ParseError(message) => cast_faults::from_message(message),
        ArrowError::ExternalError(inner) => from_external(inner.as_ref()),
        ArrowError::InvalidArgumentError(message) | ArrowError::ComputeError(message) => {
            from_execution_message(message)
        }
        ArrowError::NotYetImplemented(message) => Error::new(SqlState::FeatureNotSupported, lower_first(message)),
        other => Error::internal(first_line(&other.to_string())),
    }
}

/// The names that are near one that no column has: for whoever may read all that is named there.
pub fn near_columns(error: &DataFusionError) -> Option<String> {
    let DataFusionError::SchemaError(inner, _) = error.find_root() else {
        return None;
    };
    match inner.as_ref() {
        SchemaError::FieldNotFound { field, valid_fields } => column_hints::hint(field, valid_fields),
        _ => None,
    }
}

fn from_schema_error(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let message = match &field.relation {
                Some(relation) => {
                    let names = |known: &TableReference| known.resolved_eq(relation);
                    let mut known = valid_fields.iter().filter_map(|field| field.relation.as_ref());
                    if !known.any(names) {
                        let message = format!("missing FROM-clause entry for table \"{}\"", relation.table());
                        return Error::new(SqlState::UndefinedTable, message);
                    }
                    format!("column {}.{} does not exist", relation.table(), field.name)
                }
                None => format!("column \"{}\" does not exist", field.name),
            };
            Error::new(SqlState::UndefinedColumn, message)
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            SqlState::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(
                SqlState::DuplicateColumn,
                format!("column name \"{name}\" appears more than once"),
            )
            .with_hint("Give each output column a name of its own with AS.")
        }
    }
}

fn from_execution_message(message: &str) -> Error {
    let text = first_line(message);
    let lower = text.to_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Error::new(SqlState::DivisionByZero, "division by zero");
    }
    if lower.contains("too large to store in a decimal") || lower.contains("too small to store in a decimal") {
        return Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow");
    }
    if text.starts_with("Cannot cast Date32 value") {
        return Error::new(SqlState::DatetimeFieldOverflow, "date out of range for timestamp");
    }
    if lower.contains("overflow") || lower.contains("too large to store") || lower.contains("out of range") {
        return Error::new(SqlState::NumericValueOutOfRange, "value out of range");
    }
    if lower.contains("more than one row") {
        return Error::new(
            SqlState::CardinalityViolation,
            "more than one row returned by a subquery used as an expression",
        );
    }
    if text.contains("NTILE requires a positive integer") {
        let message = "argument of ntile must be greater than zero";
        return Error::new(SqlState::InvalidArgumentForNtile, message);
    }
    Error::new(SqlState::InvalidParameterValue, lower_first(&text))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_string()
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_error_survives_datafusion() {
        let own = Error::new(SqlState::DuplicateTable, "relation \"t\" already exists");
        let wrapped = DataFusionError::Context("while planning".into(), Box::new(own.into()));
        assert_eq!(Error::from(wrapped).state().code(), "42P07");
    }

    #[test]
    fn casts_become_postgres_messages() {
        let error = Error::from(ArrowError::CastError(
            "Cannot cast string 'abc' to value of Int32 type".into(),
        ));
        assert_eq!(
            (error.state().code(), error.message()),
            ("22P02", "invalid input syntax for type integer: \"abc\"")
        );
    }
}
