use super::{KEY, Known, VERSION};
use crate::{ColumnInfo, Kind, Origin, Values};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A Parquet file that is being written: one row group a call, Snappy, every value optional.
pub(crate) struct ParquetRows {
    file: SerializedFileWriter<File>,
    columns: Vec<ColumnInfo>,
}

impl ParquetRows {
    pub(crate) fn new(file: File, columns: &[ColumnInfo]) -> io::Result<Self> {
        let field = |column: &ColumnInfo| {
            let (physical, converted) = match column.kind {
                Kind::Number => (Physical::DOUBLE, ConvertedType::NONE),
                Kind::Integer => (Physical::INT64, ConvertedType::NONE),
                Kind::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
            };
            let builder = Type::primitive_type_builder(&column.name, physical);
            let field = builder.with_repetition(Repetition::OPTIONAL).with_converted_type(converted).build();
            field.map(Arc::new).map_err(failed)
        };
        let fields = columns.iter().map(field).collect::<io::Result<Vec<_>>>()?;
        let schema = Type::group_type_builder("table").with_fields(fields).build().map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .set_created_by("brp-nas".into())
            .build();
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        Ok(Self { file, columns: columns.to_vec() })
    }

    pub(crate) fn write(&mut self, values: &[Values]) -> io::Result<()> {
        let mut group = self.file.next_row_group().map_err(failed)?;
        for values in values {
            match values {
                Values::Number(values) => column::<DoubleType, _>(&mut group, values, |value| *value),
                Values::Integer(values) => column::<Int64Type, _>(&mut group, values, |value| *value),
                Values::Text(values) => column::<ByteArrayType, _>(&mut group, values, |text: &String| {
                    ByteArray::from(text.as_str())
                }),
            }
            .map_err(failed)?;
        }
        group.close().map(drop).map_err(failed)
    }

    /// Writes the footer, and everything to the disk.
    pub(crate) fn finish(mut self, origin: &Origin) -> io::Result<()> {
        let footer = Known { version: VERSION, origin: origin.clone(), columns: self.columns };
        let footer = serde_json::to_string(&footer).map_err(io::Error::other)?;
        self.file.append_key_value_metadata(KeyValue::new(KEY.into(), footer));
        self.file.into_inner().map_err(failed)?.sync_all()
    }
}

fn column<T: DataType, V>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[Option<V>],
    convert: impl Fn(&V) -> T::T,
) -> Result<(), ParquetError> {
    let mut writer = group.next_column()?.ok_or_else(|| ParquetError::General("too many columns".into()))?;
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<T::T> = values.iter().flatten().map(convert).collect();
    writer.typed::<T>().write_batch(&present, Some(&levels), None)?;
    writer.close()
}

fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
