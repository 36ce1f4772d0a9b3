//! TABLESAMPLE: which rows are drawn follows from where they lie on disk, and that from the length
//! of every column's values. So it is allowed only of a table that the client may read whole.

use pg_query::NodeEnum;
use pg_query::protobuf::RangeTableSample;

use crate::Refusal;
use crate::from::Source;
use crate::rows::Row;
use crate::tree::{self, NOWHERE};
use crate::walk::Walk;

impl Walk<'_> {
    pub(crate) fn sampled_source(&mut self, sample: RangeTableSample) -> Result<Source, Refusal> {
        let RangeTableSample { relation, method, args, repeatable, location: _ } = sample;
        let method = match tree::as_texts(&method).as_deref() {
            Some([name] | [tree::SYSTEM_SCHEMA, name])
                if matches!(*name, "bernoulli" | "system") =>
            {
                // PostgreSQL looks a method up as a function.
                tree::system_name(name)
            }
            Some(_) | None => {
                return Err(Refusal::never(
                    "sampling_not_allowed",
                    "this method of TABLESAMPLE is not allowed",
                ));
            }
        };
        let Some(NodeEnum::RangeVar(name)) = relation.and_then(|relation| relation.node) else {
            return Err(Refusal::syntax("TABLESAMPLE needs a table"));
        };
        let before = self.uses.len();
        let Source { node, mut items } = self.named_source(name)?;
        let is_open = self.uses.get(before).is_some_and(|used| {
            let below = used.relation.descendants.iter().filter(|_| used.descends);
            let mut below = below.map(|name| self.world.catalog.relations.get(name));
            self.is_open(&used.relation)
                && below.all(|relation| relation.is_some_and(|relation| self.is_open(relation)))
        });
        if !is_open || !matches!(node.node, Some(NodeEnum::RangeVar(_))) {
            return Err(Refusal::never(
                "sample_tells_sizes",
                "TABLESAMPLE is allowed only of a plain table of which every column may be read",
            ));
        }
        for item in &mut items {
            item.row = Row::Unknown;
        }
        let args = self.expr_all(args)?;
        let repeatable = self.expr_option(repeatable)?;
        let relation = Some(Box::new(node));
        let sample = RangeTableSample { relation, method, args, repeatable, location: NOWHERE };
        let node = tree::node(NodeEnum::RangeTableSample(Box::new(sample)));
        Ok(Source { node, items })
    }
}
