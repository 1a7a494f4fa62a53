//! Operators of types that are carried by their spelling: which function each calls.

use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::operand::cast_unknown;
use super::{Operation, Planned};
use crate::error::Result;
use crate::types::coercion::{Category, category, is_same, without_modifier};
use crate::types::{RangeType, Spelled, SqlType};

impl Operation {
    /// The type by which one of the operands is carried.
    pub(super) fn spelled_type(&self) -> Option<Spelled> {
        [&self.left.1.sql_type, &self.right.1.sql_type]
            .into_iter()
            .find_map(|sql_type| match sql_type {
                SqlType::Spelled(spelled) => Some(*spelled),
                _ => None,
            })
    }

    /// An operator other than a comparison, one of whose operands is of this type.
    pub(super) fn of_spelled(mut self, spelled: Spelled) -> Result<Planned> {
        let is_shift = matches!(
            self.op,
            BinaryOperator::PGBitwiseShiftLeft | BinaryOperator::PGBitwiseShiftRight
        );
        if self.op == BinaryOperator::StringConcat && !self.joins_bits() {
            return self.concatenation();
        }
        if matches!(spelled, Spelled::Timetz(_)) {
            // What is added to a time is an interval.
            return self.arithmetic();
        }
        let known = match spelled {
            Spelled::Bit(_) | Spelled::Varbit(_) if is_shift => SqlType::Int4,
            Spelled::Cidr => SqlType::Spelled(Spelled::Inet),
            Spelled::Money if self.op == BinaryOperator::Multiply => SqlType::Float8,
            _ => without_modifier(&SqlType::Spelled(spelled)),
        };
        for side in [&mut self.left, &mut self.right] {
            if side.1.is_unknown() {
                side.0 = cast_unknown(side.0.clone(), &known);
                side.1.sql_type = known.clone();
            }
        }
        match spelled {
            Spelled::Range(range) | Spelled::Multirange(range) => self.of_range(range),
            Spelled::Bit(_) | Spelled::Varbit(_) => self.of_bits(),
            Spelled::Inet | Spelled::Cidr => self.of_addresses(),
            Spelled::Money => self.of_money(),
            Spelled::Macaddr | Spelled::Macaddr8 => match self.op {
                BinaryOperator::BitwiseAnd => self.into_call("inetand"),
                BinaryOperator::BitwiseOr => self.into_call("inetor"),
                _ => Err(self.undefined()),
            },
            Spelled::Timetz(_) | Spelled::Tid | Spelled::Xid | Spelled::Cid => Err(self.undefined()),
        }
    }

    /// Whether both operands are strings of bits, or literals beside one.
    fn joins_bits(&self) -> bool {
        let is_bits = |sql_type: &SqlType| matches!(category(sql_type), Category::Bits | Category::Unknown);
        is_bits(&self.left.1.sql_type) && is_bits(&self.right.1.sql_type)
    }

    fn of_addresses(self) -> Result<Planned> {
        use BinaryOperator as B;
        let (left, right) = (category(&self.left.1.sql_type), category(&self.right.1.sql_type));
        let function = match (left, right) {
            (Category::Network, Category::Network) => match &self.op {
                B::PGBitwiseShiftLeft => "network_sub",
                B::PGBitwiseShiftRight => "network_sup",
                B::PGOverlap => "network_overlap",
                B::Custom(name) if name == "<<=" => "network_subeq",
                B::Custom(name) if name == ">>=" => "network_supeq",
                B::BitwiseAnd => "inetand",
                B::BitwiseOr => "inetor",
                B::Minus => "inetmi",
                _ => return Err(self.undefined()),
            },
            (Category::Network, Category::Number) if self.op == B::Plus => "inetpl",
            (Category::Network, Category::Number) if self.op == B::Minus => "inetmi_int8",
            (Category::Number, Category::Network) if self.op == B::Plus => return self.swapped_call("inetpl"),
            _ => return Err(self.undefined()),
        };
        self.into_call(function)
    }

    fn of_money(self) -> Result<Planned> {
        use BinaryOperator as B;
        let is_money = |sql_type: &SqlType| *sql_type == SqlType::Spelled(Spelled::Money);
        let is_integer = |sql_type: &SqlType| matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
        let (left, right) = (&self.left.1.sql_type, &self.right.1.sql_type);
        let (is_swapped, other) = match is_money(left) {
            true => (false, right),
            false => (true, left),
        };
        let function = match (&self.op, is_money(other)) {
            (B::Plus, true) => "cash_pl",
            (B::Minus, true) => "cash_mi",
            (B::Divide, true) => "cash_div_cash",
            (B::Multiply, false) if is_integer(other) => "cash_mul_int8",
            (B::Multiply, false) if category(other) == Category::Number => "cash_mul_flt8",
            (B::Divide, false) if is_swapped => return Err(self.undefined()),
            (B::Divide, false) if is_integer(other) => "cash_div_int8",
            (B::Divide, false) if category(other) == Category::Number => "cash_div_flt8",
            _ => return Err(self.undefined()),
        };
        match is_swapped {
            true => self.swapped_call(function),
            false => self.into_call(function),
        }
    }

    fn of_bits(self) -> Result<Planned> {
        use BinaryOperator as B;
        let (left, right) = (category(&self.left.1.sql_type), category(&self.right.1.sql_type));
        let function = match (&self.op, left, right) {
            (B::PGBitwiseShiftLeft, Category::Bits, Category::Number) => "bitshiftleft",
            (B::PGBitwiseShiftRight, Category::Bits, Category::Number) => "bitshiftright",
            (B::StringConcat, Category::Bits, Category::Bits) => "bitcat",
            (B::BitwiseAnd, Category::Bits, Category::Bits) => "bitand",
            (B::BitwiseOr, Category::Bits, Category::Bits) => "bitor",
            (B::PGBitwiseXor, Category::Bits, Category::Bits) => "bitxor",
            _ => return Err(self.undefined()),
        };
        self.into_call(function)
    }

    fn of_range(self, range: RangeType) -> Result<Planned> {
        use BinaryOperator as B;
        let is_range = |sql_type: &SqlType| *sql_type == SqlType::Spelled(Spelled::Range(range));
        let is_multirange = |sql_type: &SqlType| *sql_type == SqlType::Spelled(Spelled::Multirange(range));
        let is_element = |sql_type: &SqlType| is_same(sql_type, &range.subtype());
        let (left, right) = (&self.left.1.sql_type, &self.right.1.sql_type);
        let relation = match &self.op {
            B::AtArrow if is_range(left) && is_element(right) => return self.into_call("range_contains_elem"),
            B::ArrowAt if is_element(left) && is_range(right) => return self.into_call("elem_contained_by_range"),
            B::AtArrow if is_multirange(left) && is_element(right) => {
                return self.into_call("multirange_contains_elem");
            }
            B::ArrowAt if is_element(left) && is_multirange(right) => {
                return self.into_call("elem_contained_by_multirange");
            }
            B::AtArrow => "contains",
            B::ArrowAt => "contained_by",
            B::PGOverlap => "overlaps",
            B::PGBitwiseShiftLeft => "before",
            B::PGBitwiseShiftRight => "after",
            B::Plus => "union",
            B::Minus => "minus",
            B::Multiply => "intersect",
            B::Custom(name) => match name.as_str() {
                "&<" => "overleft",
                "&>" => "overright",
                "-|-" => "adjacent",
                _ => return Err(self.undefined()),
            },
            _ => return Err(self.undefined()),
        };
        let combines = matches!(relation, "union" | "minus" | "intersect");
        let function = match (
            is_range(left),
            is_multirange(left),
            is_range(right),
            is_multirange(right),
        ) {
            (true, _, true, _) => format!("range_{relation}"),
            (_, true, _, true) if combines => format!("multirange_{relation}"),
            (_, true, _, true) => format!("multirange_{relation}_multirange"),
            (_, true, true, _) if !combines => format!("multirange_{relation}_range"),
            (true, _, _, true) if !combines => format!("range_{relation}_multirange"),
            _ => return Err(self.undefined()),
        };
        self.into_call(&function)
    }
}
