{{ config(materialized='view') }}
select c_custkey as customer_id, c_mktsegment as segment, c_acctbal as balance
from {{ source('sample', 'customer') }}
