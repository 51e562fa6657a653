//! Tensors of the interpreter: whole numbers or floating-point ones.

use fgn_onnx::proto::{DataType, TensorProto};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

/// Floating-point numbers of any type are `f64`; truth values are 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Float(Vec<f64>),
    Int(Vec<i64>),
}

impl Array {
    pub(crate) fn floats(shape: &[usize], numbers: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), numbers.len());
        Self { shape: shape.to_vec(), data: Data::Float(numbers) }
    }

    pub(crate) fn ints(shape: &[usize], numbers: Vec<i64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), numbers.len());
        Self { shape: shape.to_vec(), data: Data::Int(numbers) }
    }

    pub(crate) fn of_proto(proto: &TensorProto) -> Self {
        let shape: Vec<usize> = proto.dims.iter().map(|&size| size as usize).collect();
        let bytes = &proto.raw_data;
        match proto.data_type() {
            DataType::Float => {
                let numbers =
                    bytes.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap()));
                Self::floats(&shape, numbers.map(f64::from).collect())
            }
            DataType::Double => {
                let numbers =
                    bytes.chunks_exact(8).map(|it| f64::from_le_bytes(it.try_into().unwrap()));
                Self::floats(&shape, numbers.collect())
            }
            DataType::Int64 => {
                let numbers =
                    bytes.chunks_exact(8).map(|it| i64::from_le_bytes(it.try_into().unwrap()));
                Self::ints(&shape, numbers.collect())
            }
            other => panic!("an initializer of {other:?}"),
        }
    }

    pub(crate) fn as_floats(&self) -> &[f64] {
        match &self.data {
            Data::Float(numbers) => numbers,
            Data::Int(_) => panic!("whole numbers, expected floating-point ones"),
        }
    }

    pub(crate) fn as_ints(&self) -> &[i64] {
        match &self.data {
            Data::Int(numbers) => numbers,
            Data::Float(_) => panic!("floating-point numbers, expected whole ones"),
        }
    }

    /// All elements, of either type.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        match &self.data {
            Data::Float(numbers) => numbers.clone(),
            Data::Int(numbers) => numbers.iter().map(|&number| number as f64).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The axis that a negative one counts from the end.
    pub(crate) fn axis(&self, axis: i64) -> usize {
        if axis < 0 { (axis + self.shape.len() as i64) as usize } else { axis as usize }
    }

    pub(crate) fn reshaped(&self, shape: &[usize]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), self.len(), "{:?} to {shape:?}", self.shape);
        Self { shape: shape.to_vec(), data: self.data.clone() }
    }

    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self::floats(&self.shape, self.as_floats().iter().map(|&x| f(x)).collect())
    }

    /// An array of that shape whose elements are those of this one at the index that `source` takes theirs to.
    pub(crate) fn pick(&self, shape: &[usize], source: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        let flat = |index: Vec<usize>| {
            assert_eq!(index.len(), self.shape.len());
            index.iter().zip(&self.shape).fold(0, |flat, (&at, &size)| {
                assert!(at < size, "{index:?} in {:?}", self.shape);
                flat * size + at
            })
        };
        let sources: Vec<usize> = indices(shape).map(|index| flat(source(&index))).collect();
        let data = match &self.data {
            Data::Float(all) => Data::Float(sources.iter().map(|&at| all[at]).collect()),
            Data::Int(all) => Data::Int(sources.iter().map(|&at| all[at]).collect()),
        };
        Self { shape: shape.to_vec(), data }
    }

    /// The same elements in that shape, as they are repeated along dimensions of size 1.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Self {
        let skipped = shape.len() - self.shape.len();
        self.pick(shape, |index| {
            let own = index[skipped..].iter().zip(&self.shape);
            own.map(|(&at, &size)| if size == 1 { 0 } else { at }).collect()
        })
    }

    /// The part at `index` along the first axis.
    pub(crate) fn row(&self, index: usize) -> Self {
        self.pick(&self.shape[1..], |rest| [&[index], rest].concat())
    }

    pub(crate) fn concat(all: &[Self], axis: i64) -> Self {
        let axis = all[0].axis(axis);
        let mut shape = all[0].shape.clone();
        shape[axis] = all.iter().map(|array| array.shape[axis]).sum();
        let find = |mut at: usize| {
            let mut part = 0;
            while at >= all[part].shape[axis] {
                at -= all[part].shape[axis];
                part += 1;
            }
            (part, at)
        };
        let mut floats = Vec::new();
        let mut ints = Vec::new();
        for mut index in indices(&shape) {
            let (part, at) = find(index[axis]);
            index[axis] = at;
            let one = all[part].pick(&[], |_| index.clone());
            match one.data {
                Data::Float(numbers) => floats.extend(numbers),
                Data::Int(numbers) => ints.extend(numbers),
            }
        }
        match &all[0].data {
            Data::Float(_) => Self::floats(&shape, floats),
            Data::Int(_) => Self::ints(&shape, ints),
        }
    }

    /// The arrays one above the other along a new first axis.
    pub(crate) fn stack(all: &[Self]) -> Self {
        let rows: Vec<_> =
            all.iter().map(|array| array.reshaped(&[&[1], &array.shape[..]].concat())).collect();
        Self::concat(&rows, 0)
    }
}

/// All indices of that shape, the last axis fastest.
pub(crate) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    (0..shape.iter().product::<usize>()).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for (at, &size) in index.iter_mut().zip(&shape).rev() {
            *at = flat % size;
            flat /= size;
        }
        index
    })
}

/// The shape that both are broadcast to.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis])
    };
    let axis = |axis| match (size(a, axis), size(b, axis)) {
        (1, size) | (size, 1) => size,
        (one, other) => {
            assert_eq!(one, other, "{a:?} and {b:?}");
            one
        }
    };
    (0..rank).map(axis).collect()
}
