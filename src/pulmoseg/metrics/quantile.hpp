#pragma once
// Quantiles of a few numbers.

#include <span>

namespace pulmoseg::metrics {

/// `sorted`: in rising order, not empty. `share`: 0 is the smallest, 1 the largest, between neighbours linearly (numpy.quantile's
/// default). Pure.
double quantile(std::span<const double> sorted, double share);

}  // namespace pulmoseg::metrics
