#include "pulmoseg/evaluation/evaluate.hpp"  // metrics/ are pure functions: evaluation uses them, not the other way round
